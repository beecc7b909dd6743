"""The studies of slab data and of grokking: planted records, and the programs in short."""

import json

import numpy as np
import pytest

from helpers.in_process import call_program
from pathjax.experiments.grokking import experiment as grokking
from pathjax.experiments.runner import study
from pathjax.experiments.slabs import experiment as slabs
from pathjax.theory.pattern_learning import Patterns, accuracies

SHORT = {
    "slabs": ["--sets=0,3", "--networks=100", "--num_train=600", "--num_test=100", "--num_steps=40", "--every=20"],
    "grokking": ["--networks=0", "--widths=16,8", "--num_seeds=1", "--num_steps=40", "--every=20"],
}
WORDS = {"slabs": "0.949, 0.497, 0.949", "grokking": "half of train at [95%]"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHORT))
def test_studies_run_in_short(monkeypatch, tmp_path, name):
    monkeypatch.setattr(study, "REFERENCE", tmp_path / "none")
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / name}", "--num_inits=2", *SHORT[name])
    assert done.returncode == 0, done.stderr
    assert WORDS[name] in done.stdout and list((tmp_path / name).glob("*.png"))


FINDINGS = {
    "slabs": (slabs, ["0.4997 [0.4995, 0.4999]", "0.949 [0.9484, 0.9496]", "0.614 [0.6072, 0.6209]"]),
    "grokking": (grokking, ["866.2 [734.4, 997.9]", "85.11 [53.32, 206.1]", "1162 [1061, 1263]"]),
}


@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_the_findings_are_those_of_the_committed_cells(tmp_path, name):
    program, figures = FINDINGS[name]
    files = sorted((study.REFERENCE / name / "cells").glob("*.json"))
    read = [json.loads(file.read_text()) for file in files]
    cells = [study.Cell(program.Design.model_validate(one["settings"], strict=False), one["outcome"]) for one in read]
    cells.sort(key=lambda cell: (getattr(cell.settings, "network", ""), getattr(cell.settings, "init", 0)))
    text = program.report(cells, tmp_path)
    assert all(figure in text for figure in figures), text


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("slabs", ["--networks=5"], "--networks: unknown '5', choose from 100, 100-100"),
        ("slabs", ["--every=3"], "--every=3 must divide --num_steps=10000"),
        ("grokking", ["--widths=8"], "--widths: give one for each of mlp, transformer"),
        ("patterns", ["--studies=9"], "--studies: unknown '9', choose numbers 0 to 5"),
        ("screening", ["--delays=25"], "expected multiples of --every=10"),
        ("simplicity", ["--noises=x"], "--noises: 'x' is not a standard deviation"),
    ],
)
def test_bad_flags_are_one_line(monkeypatch, tmp_path, name, flags, message):
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / 'none'}", *flags)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


ROLES, EPSILON = ["baseline", "replica", "roundoff", "perturbed", "perturbed"], [0, 0, 0, 0.1, 0.1]


def planted(times, num_steps=400):
    """A cell of members that know half of the test set at these steps."""
    steps = np.arange(0, num_steps + 1, 10)
    curves = accuracies(steps, Patterns((1, 1), (0.2, 0.05), (50, times[0]), (0, 1), (0, 1)), 1 / grokking.MODULUS)
    return {
        "role": ROLES,
        "epsilon": EPSILON,
        "times": {"train": [50.0] * 5, "test": times},
        "ends": {"train": [1.0] * 5, "test": [1.0] * 5},
        "distance": [0.0] * 5,
        "steps": steps.tolist(),
        "baseline": {"train": curves.train.tolist(), "test": curves.test.tolist()},
    }


def test_rows_have_the_spreads_of_the_members():
    outs = [planted([200.0, 200.0, 200.0, 210.0, 190.0]), planted([240.0, 240.0, 240.0, 250.0, None])]
    base, one_bit, epsilon = grokking.rows_of("mlp", outs)
    assert base[5].startswith("28.28 [") and one_bit[5] == "0.0 [0.0, 0.0]"  # 40 / sqrt(2)
    # (10^2 + 10^2) / 2 / 2 and 10^2 / 2: the root of their mean.
    assert epsilon[5].startswith("7.071 [") and "(1 of 4 never)" in epsilon[3]


def test_the_model_is_fitted_to_what_it_made():
    lines = grokking.model_rows("mlp", [planted([200.0] * 5), planted([220.0] * 5)])
    assert lines[0][1] == "memorizes" and lines[0][3].startswith("50 [") and lines[1][3].startswith("210 [")
    (line,) = grokking.model_rows(
        "mlp", [planted([200.0] * 5), planted([200.0] * 5) | {"times": {"train": [50.0], "test": [None]}}]
    )
    assert "does not know half" in line[1]
