"""The program as a process, as its users run it."""

import hashlib
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
# Programs compiled once for all tests.
os.environ["XDG_CACHE_HOME"] = str(ROOT / ".pytest_cache" / "compiled")


def command(workdir, *more, config="smoke"):
    return [sys.executable, "-m", "experiments.main", f"--config=configs/{config}.py", f"--workdir={workdir}", *more]


def run(workdir, *more, config="smoke"):
    done = subprocess.run(command(workdir, *more, config=config), capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def begin(workdir, *more):
    return subprocess.Popen(
        command(workdir, *more), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def digest(workdir):
    return hashlib.sha256((workdir / "trajectory.nc").read_bytes()).hexdigest()


def wait_for(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.01)
