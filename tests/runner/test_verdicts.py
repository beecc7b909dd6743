"""Claims: criteria are fixed before the run, decided after it, and corrected for multiple tests."""

import json
import math

import numpy as np
import pytest
from scipy import stats

import pathjax
from pathjax.analysis.multiple_tests import holm
from pathjax.experiments.runner.verdicts import (
    Finding,
    Prediction,
    Region,
    judge,
    p_value_of,
    read_predictions,
    write_verdicts,
)

ROW = {
    "id": "a",
    "source": "x",
    "statement": "y",
    "settings": {"width": 8},
    "for": "more than 1",
    "against": "less than 1",
    "command": "python -m z",
}


def claim(name, counts_for="more than 1", counts_against="less than 1"):
    return Prediction.model_validate(ROW | {"id": name, "for": counts_for, "against": counts_against})


def test_holm_agrees_with_a_step_down_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.beta(0.3, 2, size=7)
        left, rejected = sorted(range(7), key=lambda i: p[i]), set()
        while left and p[left[0]] < 0.05 / len(left):
            rejected.add(left.pop(0))
        assert set(np.flatnonzero(holm(p) < 0.05)) == rejected
    assert holm([math.nan, 0.01]).tolist() == [1.0, 0.02] and holm([]).size == 0


def test_few_true_nulls_are_decided():
    """All twenty effects lie exactly on the border: any verdict is an error, in at most 5% of all files."""
    rng = np.random.default_rng(1)
    claims = [claim(str(i)) for i in range(20)]
    wrong = 0
    for _ in range(400):
        found = {str(i): [Finding(1 + rng.normal(), 1.0)] for i in range(20)}
        wrong += any(row["verdict"] != "cannot tell" for row in judge(claims, found))
    assert wrong <= stats.binom.ppf(0.999, 400, 0.05)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([Finding(2.0, 0.1)], "holds"),
        ([Finding(0.5, 0.1)], "fails"),
        ([Finding(1.1, 0.1)], "cannot tell"),
        ([Finding(2.0, 0.1), Finding(0.5, 0.1)], "mixed"),
        ([Finding(2.0, 0.1), Finding(1.0, 0.1)], "cannot tell"),
        ([Finding(math.nan, 0.1)], "cannot tell"),
        ([Finding(1.3, 0.1, dof=1)], "cannot tell"),
        ([Finding(1.3, 0.1, dof=30)], "holds"),
    ],
)
def test_verdicts(findings, verdict):
    (row,) = judge([claim("a")], {"a": findings})
    assert row["verdict"] == verdict and row["for"] == "more than 1" and row["settings"] == {"width": 8}


def test_the_interval_is_that_of_the_mean():
    (row,) = judge([claim("a")], {"a": [Finding(1.0, 0.3, 10), Finding(3.0, 0.4, 20)]})
    half = 0.25 * stats.t.ppf(0.975, 10)
    assert row["effect"] == 2.0
    np.testing.assert_allclose(row["interval"], [2 - half, 2 + half])


def test_many_claims_need_stronger_evidence_than_one():
    found = {str(i): [Finding(1.25, 0.1)] for i in range(10)}  # p = .006 each
    assert judge([claim("0")], {"0": found["0"]})[0]["verdict"] == "holds"
    assert judge([claim(str(i)) for i in range(10)], found)[0]["verdict"] == "cannot tell"


def test_equivalence_is_two_tests():
    np.testing.assert_allclose(p_value_of(Finding(0.0, 1.0), Region(-2, 3)), stats.norm.sf(2))
    (row,) = judge([claim("a", "-0.1 to 0.1", "more than 0.5")], {"a": [Finding(0.0, 0.01)]})
    assert row["verdict"] == "holds"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"for": "> 1"}, "expected 'more than X'"),
        ({"for": "2 to 1"}, "expected 'more than X'"),
        ({"against": None}, "prediction 0: against"),
        ({"verdict": "perhaps"}, "prediction 0: verdict is 'perhaps'"),
        ({"against": "less than 2"}, "prediction 0: for .more than 1. and against .less than 2. overlap"),
        ({"for": "more than 1e400"}, "expected 'more than X'"),
        ({"colour": "red"}, "prediction 0: colour is unknown: the fields are id, source"),
        ({"id": ""}, "prediction 0: id"),
    ],
)
def test_a_prediction_with_wrong_fields_is_a_one_line_error(tmp_path, change, message):
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"predictions": [ROW | change]}))
    with pytest.raises(pathjax.InputError, match=message) as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)


def test_the_written_file_follows_the_schema(tmp_path):
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"predictions": [ROW]}))
    rows = judge(read_predictions(path), {"a": [Finding(2.0, 0.1)]})
    write_verdicts(tmp_path / "verdicts.json", rows)
    (row,) = json.loads((tmp_path / "verdicts.json").read_text())["predictions"]
    assert list(row) == [*ROW, "verdict", "effect", "interval"]
    again = judge(read_predictions(tmp_path / "verdicts.json"), {"a": [Finding(0.5, 0.1)]})
    assert again[0]["verdict"] == "fails" and list(again[0]) == list(row)
    for predictions, found, message in (
        (["a"], {}, "no finding for prediction a"),
        (["a"], {"a": [Finding(2.0, 0.1)], "b": [Finding(2.0, 0.1)]}, "no prediction has the id b"),
        (["a", "a"], {"a": [Finding(2.0, 0.1)]}, "an id is repeated"),
        (["a"], {"a": [Finding(2.0, -0.1)]}, "stderr must be 0 or more"),
        (["a"], {"a": [Finding(2.0, 0.1, math.nan)]}, "dof more than 0"),
    ):
        with pytest.raises(pathjax.InputError, match=message):
            judge([claim(name) for name in predictions], found)
    path.write_text(json.dumps({"predictions": [ROW, ROW]}))
    with pytest.raises(pathjax.InputError, match="repeats an id"):
        read_predictions(path)
