"""A project of one's own: from arrays to a report by API, and by config in one file, with data that stay in files."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from helpers.in_process import run
from helpers.processes import ROOT
from pathjax.io.run_folder import open_run

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "data.md").read_text(), flags=re.MULTILINE | re.DOTALL)
SCRIPT = pathlib.Path(sys.executable).with_name("pathjax")


def test_a_project_by_api_has_15_lines_and_writes_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sum(bool(line.strip()) for line in BLOCKS[0].splitlines()) == 15
    names: dict = {}
    exec(BLOCKS[0], names)
    assert names["data"].distance.sizes == {"step": 201, "member": 11} and (names["data"].distance[-1, 3:] > 0).all()
    assert "distance" in (tmp_path / "results" / "rings" / "report.html").read_text()


@pytest.mark.skipif(not SCRIPT.exists(), reason="pathjax is not installed beside this Python")
def test_a_project_by_config_is_one_file_that_the_command_finds(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mine.py").write_text(BLOCKS[1])
    flags = ["--config.num_steps=20", "--config.measure.distance_every=10", "--config.measure.tangent_every=10"]
    flags += ["--config.measure.evaluation_every=10", "--config.num_devices=1"]
    (tmp_path / "mine.py").write_text("raise RuntimeError('a module of the same name, of another project')")
    command = [SCRIPT, "run", "--config=project/mine.py", f"--workdir={tmp_path / 'out'}", *flags]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert open_run(tmp_path / "out").manifest["data"]["source"] == "mine:rings"


def test_a_run_of_data_that_stay_in_files_has_the_same_bits(tmp_path):
    digits = load_digits()
    np.save(tmp_path / "inputs.npy", (15 * digits.images).astype(np.uint8))
    np.save(tmp_path / "labels.npy", digits.target)
    flags = ("--config.data.name=npy", f"--config.data.data_dir={tmp_path}", "--config.num_steps=50")
    for stream in (False, True):
        done = run(tmp_path / str(stream), *flags, f"--config.data.stream={stream}")
        assert done.returncode == 0, done.stderr
    held, left = (open_run(tmp_path / str(stream)) for stream in (False, True))
    assert held.trajectory.equals(left.trajectory)
    assert held.manifest["data"]["sha256"] == left.manifest["data"]["sha256"] and left.manifest["data"]["stream"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--config.data.batch_size=None"],
            "data.batch_size=None is the whole training set, and data.stream leaves it",
        ),
        (["--config.data.standardize=True"], "standardize needs the whole training set, and stream leaves it in its"),
        (["--config.data.name=digits"], "data set 'digits' is read as a whole: leave stream False"),
    ],
)
def test_what_needs_all_examples_is_one_line(tmp_path, flags, message):
    np.save(tmp_path / "inputs.npy", np.zeros((90, 3)))
    np.save(tmp_path / "labels.npy", np.arange(90) % 3)
    given = ["--config.data.name=npy", f"--config.data.data_dir={tmp_path}", "--config.data.stream=True", *flags]
    done = run(tmp_path / "out", *given)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()
