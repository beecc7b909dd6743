"""Studies of many cells by several processes: each cell is measured once, also if a process is killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import pathjax
from pathjax.experiments.runner import study as studies
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Identified, Study, cell_digest, run_study
from pathjax.io.run_folder import file_digest

PROGRAM = """
import os, pathlib, sys, time
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Study, run_study

folder = pathlib.Path(sys.argv[1])


class Settings(Group):
    number: int


def measure(settings):
    number = settings.number
    (folder / f"begun-{number}-{os.getpid()}").touch()
    while number == 5 and not (folder / "killed").exists():
        time.sleep(0.05)  # until the test has killed whoever is here
    time.sleep(0.1)
    return {"square": number**2, "process": os.getpid()}


def report(cells, folder):
    text = " ".join(str(cell.outcome["square"]) for cell in cells)
    (folder / "squares.txt").write_text(text)
    return text


run_study(Study("squares", 1, measure, report), [Settings(number=n) for n in range(12)], folder)
"""


def wait_for(found, seconds=60):
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_three_processes_measure_twelve_cells_and_one_is_killed(tmp_path):
    program, folder = tmp_path / "program.py", tmp_path / "study"
    program.write_text(PROGRAM)
    folder.mkdir()
    start = [sys.executable, str(program), str(folder)]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    wait_for(lambda: list(folder.glob("begun-5-*")))
    (stuck,) = folder.glob("begun-5-*")
    victim = int(stuck.name.split("-")[-1])
    os.kill(victim, signal.SIGKILL)
    (folder / "killed").touch()
    ended = {process.pid: (process.wait(60), process.stdout.read()) for process in processes}
    assert {pid: status for pid, (status, _) in ended.items()} == {
        pid: -signal.SIGKILL if pid == victim else 0 for pid in ended
    }
    squares = " ".join(str(n**2) for n in range(12))
    assert all(squares in text for pid, (_, text) in ended.items() if pid != victim)
    assert (folder / "squares.txt").read_text() == squares
    times_begun = [len(list(folder.glob(f"begun-{n}-*"))) for n in range(12)]
    assert times_begun == [2 if n == 5 else 1 for n in range(12)]  # the killed one's was taken by another
    cells = [json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")]
    assert len(cells) == 12 and {one["outcome"]["process"] for one in cells if one["settings"]["number"] == 5} != {
        victim
    }


class Number(Group):
    """The settings of a cell."""

    n: int


def counted(calls, version=1, name="toy"):
    def measure(settings):
        calls.append(settings.n)
        if settings.n < 0:
            raise ValueError("below\nzero")
        return {"root": settings.n**0.5}

    return Study(name, version, measure, lambda cells, folder: str([cell.outcome["root"] for cell in cells]))


def test_finished_cells_are_skipped_and_failed_cells_are_listed_and_tried_again(tmp_path, capsys):
    calls: list = []
    cells = [Number(n=n) for n in (4, -1, 9)]
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            run_study(counted(calls), cells, tmp_path)
        printed = capsys.readouterr()
        assert stop.value.code == 3 and "[2.0, 3.0]" in printed.out
        assert "1 of 3 cells failed:\n  " in printed.err and "n=-1: ValueError: below zero\n" in printed.err
    assert calls == [4, -1, 9, -1]
    assert run_study(counted(calls), [Number(n=9)], tmp_path) == [Cell(Number(n=9), {"root": 3.0})]
    assert calls == [4, -1, 9, -1]


@pytest.mark.parametrize(
    "text",
    ['{"x', '{"x": 1}', "[]", "other", ("outcome", {}), ("outcome", [1]), ("seconds", "x"), ("outcome", {"root": 3.0})],
    ids=["half", "other-keys", "list", "of-another-cell", "empty", "no-dict", "no-time", "edited"],
)
def test_a_damaged_cell_is_measured_again(tmp_path, text):
    calls: list = []
    run_study(counted(calls), [Number(n=4), Number(n=9)], tmp_path)
    path = tmp_path / "cells" / f"{cell_digest('toy', 1, Number(n=4))}.json"
    other = tmp_path / "cells" / f"{cell_digest('toy', 1, Number(n=9))}.json"
    if isinstance(text, tuple):
        text = json.dumps(json.loads(path.read_text()) | dict([text]))
    path.write_text(other.read_text() if text == "other" else text)
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / path.name).write_text("{}")
    assert run_study(counted(calls), [Number(n=4)], tmp_path) == [Cell(Number(n=4), {"root": 2.0})]
    assert calls == [4, 9, 4]


def test_another_version_and_another_study_are_other_cells(tmp_path):
    calls: list = []
    run_study(counted(calls), [Number(n=4)], tmp_path)
    run_study(counted(calls, version=2), [Number(n=4)], tmp_path)
    run_study(counted(calls, name="other"), [Number(n=4)], tmp_path)
    assert calls == [4, 4, 4] and len(list((tmp_path / "cells").glob("*.json"))) == 3


def test_committed_cells_count_as_done(tmp_path, monkeypatch):
    calls: list = []
    monkeypatch.setattr(studies, "REFERENCE", tmp_path / "reference")
    study = counted(calls)
    run_study(study, [Number(n=4)], tmp_path / "first")
    committed = tmp_path / "reference" / "toy" / "cells"
    committed.mkdir(parents=True)
    name = f"{cell_digest('toy', 1, Number(n=4))}.json"
    (committed / name).write_text((tmp_path / "first" / "cells" / name).read_text())
    assert run_study(study, [Number(n=4), Number(n=9)], tmp_path / "second")[0] == Cell(Number(n=4), {"root": 2.0})
    assert calls == [4, 9]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_text("?")], ids=["gone", "other"])
def test_a_cell_is_measured_again_where_its_files_are_missing_or_damaged(tmp_path, harm):
    calls: list = []
    records = tmp_path / "cells" / "4.txt"

    def measure(settings):
        calls.append(settings.n)
        records.write_text("records")
        return {"files": {records.name: file_digest(records)}}

    study = Study("toy", 1, measure, lambda cells, folder: "")
    for _ in range(2):
        run_study(study, [Number(n=4)], tmp_path)
    assert calls == [4]
    harm(records)
    run_study(study, [Number(n=4)], tmp_path)
    assert calls == [4, 4] and records.read_text() == "records"


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ({"a": "x" * 30_000}, "choose at most 20,480"),
        ({"a": {1, 2}}, "TypeError"),
        ([1.0], "the outcome is a list: expected a dictionary"),
    ],
    ids=["long", "set", "list"],
)
def test_an_outcome_is_json_and_short(tmp_path, capsys, outcome, why):
    with pytest.raises(SystemExit):
        run_study(Study("toy", 1, lambda settings: outcome, lambda cells, folder: ""), [Number(n=0)], tmp_path)
    assert why in capsys.readouterr().err and not list((tmp_path / "cells").glob("*.json"))


@pytest.mark.parametrize("files", [{"4.txt": "another digest"}, ["4.txt"]], ids=["other", "list"])
def test_a_cell_that_does_not_read_back_as_written_fails_once(tmp_path, capsys, files):
    calls: list = []

    def measure(settings):
        calls.append(settings.n)
        (tmp_path / "cells" / "4.txt").write_text("records")
        return {"files": files}

    with pytest.raises(SystemExit) as stop:
        run_study(Study("toy", 1, measure, lambda cells, folder: ""), [Number(n=4)], tmp_path)
    assert stop.value.code == 3 and calls == [4]
    assert "the cell does not read back as written" in capsys.readouterr().err


def test_a_setting_that_changes_while_it_is_measured_fails_once(tmp_path, capsys):
    class Edited(Identified):
        n: int

        def identity(self):
            return {"source": source.read_text()}

    source = tmp_path / "source.py"
    source.write_text("1")

    def measure(settings):
        source.write_text(source.read_text() + "1")
        return {}

    with pytest.raises(SystemExit):
        run_study(Study("toy", 1, measure, lambda cells, folder: ""), [Edited(n=4)], tmp_path)
    assert source.read_text() == "11" and "data or source changed" in capsys.readouterr().err


class Rate(Group):
    rate: float


def test_a_setting_that_is_not_finite_is_measured_once(tmp_path):
    study = Study("toy", 1, lambda settings: {"a": 1}, lambda cells, folder: "")
    (cell,) = run_study(study, [Rate(rate=float("inf"))], tmp_path)
    assert cell.outcome == {"a": 1}


def test_non_finite_values_become_null(tmp_path):
    study = Study("toy", 1, lambda settings: {"a": float("nan")}, lambda cells, folder: "")
    assert run_study(study, [Number(n=0)], tmp_path) == [Cell(Number(n=0), {"a": None})]


def test_a_study_without_cells_or_with_repeated_cells_is_rejected(tmp_path):
    with pytest.raises(pathjax.InputError, match="has no cells"):
        run_study(counted([]), [], tmp_path)
    with pytest.raises(pathjax.InputError, match="repeats a cell"):
        run_study(counted([]), [Number(n=1), Number(n=1)], pathlib.Path(tmp_path))
