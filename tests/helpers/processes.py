"""Runs the program as a process, as users do."""

import hashlib
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]


def command(workdir, *more, config="smoke"):
    return [sys.executable, "-m", "experiments.main", f"--config=configs/{config}.py", f"--workdir={workdir}", *more]


def run(workdir, *more, config="smoke"):
    done = subprocess.run(command(workdir, *more, config=config), capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def begin(workdir, *more, program=None):
    """Starts the program, or another file instead."""
    python, *module, config, folder = command(workdir)
    start = [python, *(module if program is None else [program]), config, folder, *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(start, cwd=ROOT, env=environment, **piped)


def digest(workdir):
    return hashlib.sha256((workdir / "trajectory.nc").read_bytes()).hexdigest()


def wait_for(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.01)
