"""The findings on the landscape are those of the committed cells."""

import json

import pytest

from pathjax.experiments.landscape import experiment as landscape
from pathjax.experiments.learning_coefficients import experiment as coefficients
from pathjax.experiments.runner import study
from pathjax.experiments.transients import experiment as transients

FINDINGS = {
    "landscape": (
        landscape,
        ["2.019 [1.996, 2.043]", "2.073 [2.067, 2.079]", "0.238 [0.2043, 0.2771]", "0.2496 [0.2433, 0.256]"],
    ),
    "transients": (transients, ["0.08744 [0.01596, 0.1589]", "29 [23.28, 34.72]", "positive holds", "to 0.5 at 2.5"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_the_findings_are_those_of_the_committed_cells(tmp_path, name):
    program, figures = FINDINGS[name]
    files = sorted((study.REFERENCE / name / "cells").glob("*.json"))
    read = [json.loads(file.read_text()) for file in files]
    cells = [
        study.Cell(program.Design.model_validate(one["settings"], strict=False), one["outcome"])
        for one in read
        if one["version"] == program.VERSION
    ]
    text = program.report(cells, tmp_path)
    assert all(figure in text for figure in figures), text


def test_every_program_has_cells():
    for program in (landscape, transients, coefficients):
        name = program.EXAMPLE.split("experiments.")[1].split()[0]
        assert list((study.REFERENCE / name / "cells").glob("*.json"))
