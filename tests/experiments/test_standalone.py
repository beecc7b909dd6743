"""Programs that answer one question with a table and a figure: kernels by width, barriers, shares of the variance."""

import json
import subprocess
import sys

import numpy as np
import pytest

from helpers.in_process import call_program
from helpers.processes import ROOT
from pathjax.experiments.barriers import experiment as barriers


def program(name, *argv):
    command = [sys.executable, "-m", f"experiments.{name}", *argv]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def check_kernels(found, printed):
    assert "parametrization  width  drift" in printed
    assert sorted(found) == ["mup 16", "mup 64", "ntk 16", "ntk 64"]
    assert found["mup 64"] == found["ntk 64"]  # the base width
    assert all(drift > 0 for cell in found.values() for drift in cell["drift"])


def check_barriers(found, printed):
    assert sorted(found) == ["32", "4"] and all(len(pairs) == 2 for pairs in found.values())
    for pair in found["32"]:
        assert 0 <= pair["aligned_test_barrier"] < pair["test_barrier"]
    assert "nan" not in printed


def check_variance_shares(found, printed):
    for name, one in found.items():
        assert sum(one["share"]) == pytest.approx(1, abs=1e-5) and name in printed
        assert all(low <= share <= high for low, share, high in zip(one["low"], one["share"], one["high"], strict=True))


@pytest.mark.parametrize(("height", "says"), [((0.0, 0.0), "n/a"), ((0.0, 0.4), "0.5000"), ((0.2, 0.4), "± 0.0000")])
def test_only_nonzero_barriers_can_fall(height, says):
    pairs = [{"test_barrier": h, "aligned_test_barrier": h / 2, "test_line_loss": np.ones(3)} for h in height]
    row = barriers.table({8: pairs}).splitlines()[1]
    assert says in row and "nan" not in row


KERNELS = ("--widths=16,64", "--parametrizations=ntk,mup", "--num_inits=2", "--num_steps=20", "--depth=1")
BARRIERS = ("--data=digits", "--widths=4,32", "--num_pairs=2", "--num_epochs=3")
SHARES = ("--widths=8", "--num_inits=2", "--num_schedules=2", "--num_steps=20")


@pytest.mark.parametrize(
    ("name", "flags", "check"),
    [
        pytest.param("ntk_width", KERNELS, check_kernels, marks=pytest.mark.slow),
        pytest.param("barriers", BARRIERS, check_barriers, marks=pytest.mark.slow),
        pytest.param("variance_components", SHARES, check_variance_shares, marks=pytest.mark.slow),
    ],
)
def test_a_small_study_prints_draws_and_saves_its_results(monkeypatch, tmp_path, name, flags, check):
    argv = (f"--workdir={tmp_path / 'kept'}", *flags)
    done = program(name, *argv) if name == "barriers" else call_program(monkeypatch, name, *argv)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "kept" / f"{name}.json").read_text())
    assert kept["versions"]["jax"]
    assert (tmp_path / "kept" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "Warning" not in done.stderr
    check(kept[name], done.stdout)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "cells").glob("*.json")}
    again = call_program(monkeypatch, name, *argv)
    assert again.returncode == 0 and again.stdout.strip() == done.stdout[done.stdout.index("\n\n") :].strip()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "cells").glob("*.json")} == before


@pytest.mark.parametrize(
    ("name", "flag", "message"),
    [
        ("ntk_width", "--widths=0", "expected positive integers"),
        ("ntk_width", "--parametrizations=ntk,np", "unknown 'np', choose from standard"),
        ("ntk_width", "--num_inits=1", "--num_inits=1 is out of range: choose 2 or more"),
        ("ntk_width", "--data=moon", "unknown data set 'moon'"),
        ("ntk_width", "--data=teacher_student", "examples must be real vectors or images with classes"),
        ("ntk_width", "--data=induction", "examples must be real vectors or images with classes"),
        ("ntk_width", "--num_probe=1000", "--num_probe=1000 is out of range: choose at most 297"),
        ("variance_components", "--batch_size=2000", "1500 examples are fewer than a batch of 2000"),
        ("barriers", "--widths=8,x", "expected positive integers"),
        ("barriers", "--num_pairs=0", "--num_pairs=0 is out of range: choose 1 or more"),
        ("barriers", "--data_dir=/absent", "'mnist' is not in /absent"),
        ("variance_components", "--widths=-1", "expected positive integers"),
        ("variance_components", "--num_schedules=1", "--num_schedules=1 is out of range: choose 2 or more"),
        ("variance_components", "--epsilon=0", "--epsilon=0.0 is out of range"),
        ("variance_components", "--learning_rate=nan", "--learning_rate=nan is out of range"),
    ],
)
def test_an_invalid_flag_is_a_one_line_error(monkeypatch, tmp_path, name, flag, message):
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / 'kept'}", flag)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "kept").exists()
