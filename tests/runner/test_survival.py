"""Runs that are killed, asked to end, moved to other devices, and robbed of files: nothing is lost."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from helpers.processes import ROOT, begin, command, digest, run, wait_for
from pathjax.io import run_folder

# Long enough to be killed in the middle, with checkpoints at every chunk; with tiles of one width whatever the devices,
# and so with the same bits.
LONG = (
    "--config.num_steps=600",
    "--config.checkpoint_every=50",
    "--config.data.batch_size=1000",
    "--config.member_tile=2",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to, and how many seconds it took."""
    workdir, start = tmp_path_factory.mktemp("runs") / "whole", time.monotonic()
    assert run(workdir, *LONG).returncode == 0
    return workdir, time.monotonic() - start


def checkpoints_of(workdir):
    """Steps of the checkpoints that are whole."""
    return sorted(int(path.stem) for path in (workdir / "checkpoints" / "digests").glob("[0-9]*.json"))


def interrupted(workdir, how, *more, num_checkpoints=2):
    """A run that got a signal once it had written some checkpoints."""
    before, seen = set(checkpoints_of(workdir)), set()
    process = begin(workdir, *LONG, *more)

    def enough():
        seen.update(checkpoints_of(workdir))
        return len(seen - before) >= num_checkpoints

    wait_for(enough, process)
    process.send_signal(how)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed after two checkpoints."""
    workdir = tmp_path_factory.mktemp("runs") / "killed"
    interrupted(workdir, signal.SIGKILL)
    return workdir


def copy_of(workdir, target):
    shutil.copytree(workdir, target)
    return target


def test_a_killed_run_resumes_to_the_same_bits(whole, killed, tmp_path):
    workdir = copy_of(killed, tmp_path / "run")
    done = run(workdir, *LONG, "--config.checkpoint_every=100", "--config.checks=true", "--resume")
    assert done.returncode == 0 and "resuming from step" in done.stdout, done.stderr
    assert digest(workdir) == digest(whole[0])
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert len(manifest["sessions"]) == 2 and manifest["sessions"][-1]["steps"] < 600


def test_a_run_that_is_asked_to_end_saves_and_says_how_to_go_on(whole, tmp_path):
    done = interrupted(tmp_path / "run", signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert "saved at step" in done.stderr and "--resume" in done.stderr and "Traceback" not in done.stderr
    assert run(tmp_path / "run", *LONG, "--resume").returncode == 0
    assert digest(tmp_path / "run") == digest(whole[0])


def test_a_run_that_is_asked_to_end_before_its_first_step_saves_too(whole, tmp_path):
    process = begin(tmp_path / "run", *LONG)
    wait_for((tmp_path / "run" / "config.json").exists, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 0 and "saved at step" in err, err
    assert run(tmp_path / "run", *LONG, "--resume").returncode == 0
    assert digest(tmp_path / "run") == digest(whole[0])


def test_a_damaged_checkpoint_is_told_kept_and_done_without(whole, killed, tmp_path):
    workdir = copy_of(killed, tmp_path / "run")
    before, newest = checkpoints_of(workdir)[-2:]
    largest = max((workdir / "checkpoints" / "states" / str(newest)).rglob("*"), key=lambda p: p.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    done = run(workdir, *LONG, "--resume")
    assert f"the checkpoint of step {newest} cannot be used" in done.stdout
    assert f"resuming from step {before}" in done.stdout
    assert list((workdir / "checkpoints" / "unusable").iterdir())
    assert digest(workdir) == digest(whole[0])


def test_with_no_checkpoint_whole_nothing_is_touched(killed, tmp_path):
    workdir = copy_of(killed, tmp_path / "run")
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


def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_space(whole, tmp_path):
    workdir, disk = tmp_path / "disk" / "run", tmp_path / "disk"
    small_disk(disk)
    try:
        filler = disk / "filler"
        process = begin(workdir, *LONG)
        wait_for(lambda: len(checkpoints_of(workdir)) >= 1, process)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        _, err = process.communicate()
        assert process.returncode == 2 and "Traceback" not in err, err
        line = err.strip().splitlines()[-1]
        assert line.startswith("error: ") and "--resume" in line and "free" in line, err
        filler.unlink()
        shutil.copytree(workdir, tmp_path / "run")
    finally:
        subprocess.run(["umount", disk], check=True)
    assert run(tmp_path / "run", *LONG, "--resume").returncode == 0
    assert digest(tmp_path / "run") == digest(whole[0])


def test_a_run_goes_on_on_one_device_and_back_on_four(whole, tmp_path):
    workdir = tmp_path / "run"
    for num_devices, more in ((4, ()), (1, ("--resume",))):
        done = interrupted(workdir, signal.SIGTERM, f"--config.num_devices={num_devices}", *more)
        assert done.returncode == 0 and "saved at step" in done.stderr, done.stderr
    done = run(workdir, *LONG, "--config.num_devices=4", "--resume")
    assert done.returncode == 0 and "resuming from step" in done.stdout, done.stderr
    a, b = (run_folder.open_run(path).trajectory for path in (whole[0], workdir))
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


def test_a_clock_that_jumps_changes_nothing(whole, tmp_path):
    """Three years on after the first checkpoint, and back by six after the second."""
    workdir, program = tmp_path / "run", tmp_path / "jumping.py"
    digests = workdir / "checkpoints" / "digests"
    program.write_text(
        "import glob, runpy, sys, time\n"
        "clock, jumps = time.time, (0, 1e8, -1e8)\n"
        f"time.time = lambda: clock() + jumps[min(2, len(glob.glob({str(digests / '*.json')!r})))]\n"
        "sys.argv = ['main', *sys.argv[1:]]\n"
        "runpy.run_module('experiments.main', run_name='__main__')\n"
    )
    _, _, _, *flags = command(workdir, *LONG)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, program, *flags], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert digest(workdir) == digest(whole[0])
