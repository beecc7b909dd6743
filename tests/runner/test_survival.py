"""Runs that are killed, asked to end, moved to other devices, and robbed of files: nothing is lost."""

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

from helpers.processes import begin, digest, run, wait_for
from pathjax.io import run_folder

# Long enough to be killed in the middle, with checkpoints at every chunk; with tiles of one width whatever the devices,
# and so with the same bits.
LONG = (
    "--config.num_steps=400",
    "--config.checkpoint_every=50",
    "--config.data.batch_size=750",
    "--config.member_tile=2",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to, and how many seconds it took."""
    workdir, start = tmp_path_factory.mktemp("runs") / "whole", time.monotonic()
    assert run(workdir, *LONG).returncode == 0
    return workdir, time.monotonic() - start


def checkpoints_of(workdir):
    """Steps of the checkpoints that are whole. A digest may outlive its checkpoint, if the run is killed between."""
    folder = workdir / "checkpoints"
    steps = [int(path.stem) for path in (folder / "digests").glob("[0-9]*.json")]
    return sorted(step for step in steps if (folder / "states" / str(step) / "state").exists())


def interrupted(workdir, how, *more, num_checkpoints=2, program=None):
    """A run that got a signal once it had written some checkpoints."""
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
    """The program, with a clock that is three years on after the first checkpoint, and back by six after the second."""
    program, digests = folder / "jumping.py", workdir / "checkpoints" / "digests"
    program.write_text(
        "import glob, runpy, sys, time\n"
        "clock, jumps = time.time, (0, 1e8, -1e8)\n"
        f"time.time = lambda: clock() + jumps[min(2, len(glob.glob({str(digests / '*.json')!r})))]\n"
        "sys.argv = ['main', *sys.argv[1:]]\n"
        "runpy.run_module('experiments.main', run_name='__main__')\n"
    )
    return program


def test_a_run_that_is_interrupted_in_every_way_ends_with_the_same_bits(whole, tmp_path):
    """Asked to end before its first step and later, by a clock that jumps, killed, robbed of its newest checkpoint."""
    workdir = tmp_path / "run"
    process = begin(workdir, *LONG)
    wait_for((workdir / "config.json").exists, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 0 and "saved at step" in err and "--resume" in err and "Traceback" not in err, err
    done = interrupted(workdir, signal.SIGTERM, "--resume", program=jumping_clock(workdir, tmp_path))
    assert done.returncode == 0 and "saved at step" in done.stderr, done.stderr
    interrupted(workdir, signal.SIGKILL, "--resume")
    no_checkpoint_is_whole_and_nothing_is_touched(shutil.copytree(workdir, tmp_path / "copy"))
    before, newest = checkpoints_of(workdir)[-2:]
    damage(workdir, newest)
    done = run(workdir, *LONG, "--config.checkpoint_every=100", "--config.checks=true", "--resume")
    assert done.returncode == 0 and f"the checkpoint of step {newest} cannot be used" in done.stdout, done.stderr
    assert f"resuming from step {before}" in done.stdout
    assert list((workdir / "checkpoints" / "unusable").iterdir())
    assert digest(workdir) == digest(whole[0])
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert len(manifest["sessions"]) == 4 and manifest["sessions"][-1]["steps"] < 400


def damage(workdir, step):
    """One bit of a checkpoint's largest file, another one."""
    largest = max((workdir / "checkpoints" / "states" / str(step)).rglob("*"), key=lambda p: p.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


def no_checkpoint_is_whole_and_nothing_is_touched(workdir):
    for step in checkpoints_of(workdir):
        shutil.rmtree(workdir / "checkpoints" / "states" / str(step) / "state")
    before = sorted(workdir.rglob("*"))
    done = run(workdir, *LONG, "--resume")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "None is left to resume from" in done.stderr
    assert sorted(workdir.rglob("*")) == before


def small_disk(folder):
    """A file system of some megabytes, if this user may mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("no file system may be mounted here")


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_run_goes_on_elsewhere_on_one_device_and_back_on_two(whole, tmp_path):
    workdir, disk, moved = tmp_path / "disk" / "run", tmp_path / "disk", tmp_path / "run"
    small_disk(disk)
    try:
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
    finally:
        subprocess.run(["umount", disk], check=True)
    done = interrupted(moved, signal.SIGTERM, "--config.num_devices=1", "--resume", num_checkpoints=1)
    assert done.returncode == 0 and "saved at step" in done.stderr, done.stderr
    done = run(moved, *LONG, "--config.num_devices=2", "--resume")
    assert done.returncode == 0 and "resuming from step" in done.stdout, done.stderr
    a, b = (run_folder.open_run(path).trajectory for path in (whole[0], moved))
    for name in ("distance", "batch_loss", "test_loss"):
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.slow
def test_runs_killed_at_25_random_moments_resume_to_the_same_bits(whole, tmp_path):
    workdir, duration = whole
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
