"""The experiment in docs/architecture.md runs, is interrupted, resumes and reports."""

import contextlib
import re
import sys

import pytest

from helpers.in_process import call
from helpers.processes import ROOT, digest
from pathjax.experiments.runner import preemption
from pathjax.io import run_folder


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Writes the two files of the page."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    found = re.findall(r"^```python\n# (toy\w*\.py).*?\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    for name, text in found:
        (tmp_path / name).write_text(text)
    assert [name for name, _ in found] == ["toy.py", "toy_config.py"]
    assert sum(bool(line.strip()) for _, text in found for line in text.splitlines()) <= 40
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("toy", None)


@contextlib.contextmanager
def preempted_immediately():
    """A scheduler that preempts the machine before the first chunk is done."""
    yield lambda: True


def test_the_experiment_of_the_page_runs_resumes_and_reports(toy, monkeypatch):
    def run(name, *more):
        return call(f"--config={toy / 'toy_config.py'}", f"--workdir={toy / name}", "--config.num_devices=1", *more)

    uninterrupted = run("uninterrupted")
    assert uninterrupted.returncode == 0 and "norms grow" in uninterrupted.stdout, uninterrupted.stderr
    with monkeypatch.context() as patch:
        patch.setattr(preemption, "noticed", preempted_immediately)
        ended = run("resumed")
    assert ended.returncode == 0 and "saved at step 50" in ended.stderr
    assert not (toy / "resumed" / "report.html").exists()
    resumed = run("resumed", "--resume")
    assert resumed.returncode == 0 and "resuming from step 50" in resumed.stdout
    assert digest(toy / "uninterrupted") == digest(toy / "resumed")
    found = run_folder.open_run(toy / "resumed")
    assert found.summary["growth"]["n"] == 4 and found.summary["text"] in (toy / "resumed" / "report.html").read_text()
    assert (toy / "resumed" / "figures" / "norms.png").exists()


def test_an_invalid_setting_of_a_custom_experiment_is_a_one_line_error(toy):
    config = toy / "toy_config.py"
    config.write_text(config.read_text().replace('"norm_every": 10', '"norm_every": 0'))
    answer = call(f"--config={config}", f"--workdir={toy / 'run'}")
    assert answer.returncode == 2 and "measure.norm_every 0 is out of range" in answer.stderr
