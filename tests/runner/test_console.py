"""The command `pathjax`."""

import datetime
import importlib.metadata
import json
import shutil
import subprocess
import sys

import pytest

from helpers.in_process import answer_of, run
from pathjax.experiments import console, registry
from pathjax.io.run_folder import LOCK, clear_run


def pathjax(*argv):
    return answer_of(lambda: console.main(list(argv)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    done = run(folder, "--config.num_steps=50")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_report_is_made_anew_with_the_same_page_and_figures(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "copy")
    page = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    shutil.rmtree(folder / "figures")
    done = pathjax("report", str(folder))
    assert done.returncode == 0 and done.stdout.strip() == str(folder / "report.html"), done.stderr
    assert (folder / "report.html").read_text() == page


def test_the_progress_of_a_run_can_be_read_from_its_folder(finished):
    found = json.loads((finished / "progress.json").read_text())
    assert found["step"] == found["num_steps"] == 50 and found["seconds_left"] == 0
    assert found["member_steps_per_second"] > 0
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(found["updated"])
    assert datetime.timedelta() - datetime.timedelta(seconds=2) < age < datetime.timedelta(hours=1)


def test_a_run_with_a_tracker_writes_event_files_and_can_be_overwritten(tmp_path):
    folder = tmp_path / "tracked"
    done = run(folder, "--config.num_steps=50", "--tracker=tensorboard")
    assert done.returncode == 0, done.stderr
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    clear_run(folder)
    assert {path.name for path in folder.iterdir()} <= {LOCK}


def test_the_script_is_installed():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="pathjax")
    assert script.load() is console.main


def test_configs_are_listed_with_a_line_each():
    lines = pathjax("configs").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    known = [entry.config for entry in registry.EXPERIMENTS.values()]
    assert set(known) <= set(names) and all(len(line) > 20 for line in lines)


def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word():
    command = "import sys; from pathjax.experiments.console import main; sys.stdin.read(); main(['version'])"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b"" and process.wait(timeout=60) == 1


def test_versions_are_listed():
    found = dict(line.split() for line in pathjax("version").stdout.splitlines())
    assert found["jax"] == importlib.metadata.version("jax") and {"pathjax", "python"} <= set(found)


def test_without_a_command_the_usage_is_printed():
    for argv in ((), ("--help",)):
        done = pathjax(*argv)
        assert done.returncode == 0 and done.stdout.startswith("usage: pathjax COMMAND")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("train",), "unknown command 'train': choose one of run, report, configs, version"),
        (("report",), "give the folder of one finished run"),
        (("report", "none"), "none is not a directory"),
        (("version", "x"), "pathjax version takes no arguments, but got x"),
        (("configs", "x", "y"), "pathjax configs takes no arguments, but got x y"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_commands_are_one_line(argv, message):
    done = pathjax(*argv)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
