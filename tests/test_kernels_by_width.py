"""The program on tangent kernels by width and parametrization."""

import json
import subprocess
import sys

import pytest
from processes import ROOT


def program(folder, *flags):
    command = [sys.executable, "-m", "experiments.kernels", f"--workdir={folder}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_small_run_tells_drift_alignment_and_fluctuation(tmp_path):
    few = ("--widths=64,128", "--parametrizations=ntk,mup", "--num_inits=2", "--num_steps=20", "--num_probe=6")
    done = program(tmp_path / "kernels", *few, "--depth=1")
    assert done.returncode == 0 and "parametrization  width  drift" in done.stdout, done.stderr
    cells = json.loads((tmp_path / "kernels" / "kernels.json").read_text())["cells"]
    assert sorted(cells) == ["mup 128", "mup 64", "ntk 128", "ntk 64"]
    assert cells["mup 64"] == cells["ntk 64"]  # the base width
    assert all(drift > 0 for cell in cells.values() for drift in cell["drift"])
    again = program(tmp_path / "kernels", *few)
    assert again.returncode == 2 and "holds kernels already" in again.stderr


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--widths=0", "expected numbers from 1 on"),
        ("--parametrizations=ntk,np", "no 'np', choose of standard"),
        ("--num_inits=1", "--num_inits=1 is out of range: choose 2 or more"),
        ("--data=moon", "unknown data set 'moon'"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, flag, message):
    done = program(tmp_path / "kernels", flag)
    assert done.returncode == 2 and message in done.stderr and not (tmp_path / "kernels").exists()
