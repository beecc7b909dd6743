"""A full disk at any moment of a run: one line, and the run resumes to the same bits once there is room."""

import re

import jax
import numpy as np
import pytest

from helpers.full_disks import enlarge, small_disk
from helpers.processes import digest, run
from pathjax.io import checkpoints

# Of a run that writes 1.3 MB, half of them after the last step.
SIZES = [f"size={size}k" for size in (120, 160, 200, 260, 300, 340, 400, 500, 600, 700, 800, 900)]
# Folders cannot be made, at different moments of the first two checkpoints: of these Orbax reports each differently.
NUMBERS_OF_FILES = [f"nr_inodes={number}" for number in (24, 30, 32)]
FLAGS = ("--config.checkpoint_every=50", "--config.num_devices=1")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
    assert run(workdir, *FLAGS).returncode == 0
    return workdir


def check_one_line(done):
    """Checks that standard error is one line, beside the progress bar."""
    lines = [line for line in re.split(r"[\r\n]+", done.stderr) if line and not line.startswith("training: ")]
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ") and "No space left" in lines[0] and "--resume" in lines[0], lines


def last_states(workdir):
    with checkpoints.open_checkpoints(workdir / "checkpoints") as checkpointer:
        return jax.tree.leaves(checkpointer.load(checkpointer.latest.step))


def check_resumed(workdir, uninterrupted):
    done = run(workdir, *FLAGS, "--resume")
    assert done.returncode == 0, done.stderr
    assert digest(workdir) == digest(uninterrupted)
    assert (workdir / "summary.json").read_bytes() == (uninterrupted / "summary.json").read_bytes()
    for a, b in zip(last_states(workdir), last_states(uninterrupted), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("limits", [*SIZES, *NUMBERS_OF_FILES])
def test_a_run_that_fills_its_disk_ends_with_one_line_and_resumes_to_the_same_bits(uninterrupted, tmp_path, limits):
    disk, workdir = tmp_path / "disk", tmp_path / "disk" / "run"
    with small_disk(disk, limits):
        check_one_line(run(workdir, *FLAGS))
        enlarge(disk)
        check_resumed(workdir, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 4, 8])
def test_a_run_without_room_for_its_first_files_says_so_and_starts_once_there_is_room(uninterrupted, tmp_path, room):
    disk, workdir = tmp_path / "disk", tmp_path / "disk" / "run"
    with small_disk(disk, f"size={room + 4}k"):
        (disk / "other").write_bytes(bytes(4096))
        for flags in ((), ("--resume",)):
            done = run(workdir, *FLAGS, *flags)
            check_one_line(done)
            assert ("the run cannot start" in done.stderr) == (room < 8 or bool(flags))  # resuming writes the manifest
        assert not list(workdir.glob(".*partial*"))
        enlarge(disk)
        check_resumed(workdir, uninterrupted)
        assert (disk / "other").read_bytes() == bytes(4096)
