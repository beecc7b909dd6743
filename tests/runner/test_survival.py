"""Runs that are killed, preempted, moved to other devices, or lose files: no result is lost."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from helpers.full_disks import small_disk
from helpers.processes import begin, digest, run, wait_for
from pathjax.io import run_folder

# Long enough to be killed in the middle, with checkpoints at every chunk. The tile width does not depend on the
# devices, so the bits do not either.
LONG = (
    "--config.num_steps=400",
    "--config.checkpoint_every=50",
    "--config.data.batch_size=750",
    "--config.member_tile=2",
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Returns an uninterrupted run, and its time in seconds."""
    workdir, start = tmp_path_factory.mktemp("runs") / "uninterrupted", time.monotonic()
    assert run(workdir, *LONG).returncode == 0
    return workdir, time.monotonic() - start


def checkpoints_of(workdir):
    """Returns the steps of complete checkpoints. A digest may outlive its checkpoint, if the run is killed between."""
    folder = workdir / "checkpoints"
    steps = [int(path.stem) for path in (folder / "digests").glob("[0-9]*.json")]
    return sorted(step for step in steps if (folder / "states" / str(step) / "state").exists())


def interrupted(workdir, how, *more, num_checkpoints=2, program=None):
    """Starts a run and sends it a signal once it has written some checkpoints."""
    before, seen = set(checkpoints_of(workdir)), set()
    process = begin(workdir, *LONG, *more, program=program)

    def enough():
        seen.update(checkpoints_of(workdir))
        return len(seen - before) >= num_checkpoints

    wait_for(enough, process)
    process.send_signal(how)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def jumping_clock(workdir, folder):
    """Writes a program whose clock jumps 3 years ahead after the first checkpoint, and 6 back after the second."""
    program, digests = folder / "jumping.py", workdir / "checkpoints" / "digests"
    program.write_text(
        "import glob, runpy, sys, time\n"
        "clock, jumps = time.time, (0, 1e8, -1e8)\n"
        f"time.time = lambda: clock() + jumps[min(2, len(glob.glob({str(digests / '*.json')!r})))]\n"
        "sys.argv = ['main', *sys.argv[1:]]\n"
        "runpy.run_module('experiments.main', run_name='__main__')\n"
    )
    return program


def test_a_killed_run_whose_newest_checkpoint_is_damaged_ends_with_the_same_bits(uninterrupted, tmp_path):
    workdir = tmp_path / "run"
    interrupted(workdir, signal.SIGKILL)
    check_the_rest(workdir, uninterrupted[0])


@pytest.mark.slow
def test_a_run_that_is_interrupted_in_every_way_ends_with_the_same_bits(uninterrupted, tmp_path):
    """SIGTERM before the first step and later, a jumping clock, SIGKILL, and a damaged newest checkpoint."""
    workdir = tmp_path / "run"
    process = begin(workdir, *LONG)
    wait_for((workdir / "config.json").exists, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 0 and "saved at step" in err and "--resume" in err and "Traceback" not in err, err
    done = interrupted(workdir, signal.SIGTERM, "--resume", program=jumping_clock(workdir, tmp_path))
    assert done.returncode == 0 and "saved at step" in done.stderr, done.stderr
    interrupted(workdir, signal.SIGKILL, "--resume")
    check_without_complete_checkpoints(shutil.copytree(workdir, tmp_path / "copy"))
    check_the_rest(workdir, uninterrupted[0], num_sessions=4)


def check_the_rest(workdir, uninterrupted, num_sessions=2):
    """Damages the newest checkpoint of a killed run and checks how the run goes on."""
    before, newest = checkpoints_of(workdir)[-2:]
    damage(workdir, newest)
    done = run(workdir, *LONG, "--config.checkpoint_every=100", "--config.checks=true", "--resume")
    assert done.returncode == 0 and f"the checkpoint of step {newest} cannot be used" in done.stdout, done.stderr
    assert f"resuming from step {before}" in done.stdout
    assert list((workdir / "checkpoints" / "unusable").iterdir())
    assert digest(workdir) == digest(uninterrupted)
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert len(manifest["sessions"]) == num_sessions and manifest["sessions"][-1]["steps"] < 400


def damage(workdir, step):
    """Flips one bit of a checkpoint's largest file."""
    largest = max((workdir / "checkpoints" / "states" / str(step)).rglob("*"), key=lambda p: p.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


def check_without_complete_checkpoints(workdir):
    """Checks that a run without a complete checkpoint does not resume and changes nothing."""
    for step in checkpoints_of(workdir):
        shutil.rmtree(workdir / "checkpoints" / "states" / str(step) / "state")
    before = sorted(workdir.rglob("*"))
    done = run(workdir, *LONG, "--resume")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "None is left to resume from" in done.stderr
    assert sorted(workdir.rglob("*")) == before


@pytest.mark.slow
def test_a_full_disk_is_a_one_line_error_and_the_run_resumes_elsewhere_on_one_device_and_on_two(
    uninterrupted, tmp_path
):
    workdir, disk, moved = tmp_path / "disk" / "run", tmp_path / "disk", tmp_path / "run"
    with small_disk(disk, "size=2m"):
        filler = disk / "filler"
        process = begin(workdir, *LONG, "--config.num_devices=2")
        wait_for(lambda: len(checkpoints_of(workdir)) >= 1, process)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        _, err = process.communicate()
        assert process.returncode == 2 and "Traceback" not in err, err
        line = err.strip().splitlines()[-1]
        assert line.startswith("error: ") and "--resume" in line and "free" in line, err
        filler.unlink()
        shutil.copytree(workdir, moved)
    done = interrupted(moved, signal.SIGTERM, "--config.num_devices=1", "--resume", num_checkpoints=1)
    assert done.returncode == 0 and "saved at step" in done.stderr, done.stderr
    done = run(moved, *LONG, "--config.num_devices=2", "--resume")
    assert done.returncode == 0 and "resuming from step" in done.stdout, done.stderr
    a, b = (run_folder.open_run(path).trajectory for path in (uninterrupted[0], moved))
    for name in ("distance", "batch_loss", "test_loss"):
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.slow
def test_runs_killed_at_25_random_moments_resume_to_the_same_bits(uninterrupted, tmp_path):
    workdir, duration = uninterrupted
    rng = random.Random(os.environ.get("PATHJAX_TEST_SEED", 0))
    for i in range(5):
        broken = tmp_path / f"broken{i}"
        for _ in range(5):
            process = begin(broken, *LONG, "--resume")
            time.sleep(rng.uniform(0.2, duration))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert run(broken, *LONG, "--resume").returncode == 0
        assert digest(broken) == digest(workdir)
