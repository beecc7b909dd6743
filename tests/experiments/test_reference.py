"""Compares spectra with exact and published values: every row of the table in docs/lyapunov.md."""

import jax
import pytest

from pathjax.experiments.reference.consistency import against_lyapax
from pathjax.experiments.reference.rows import passes
from pathjax.experiments.reference.table import CASES, Outcome, markdown, run_cases


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        yield


def check(case, long):
    (outcome,) = run_cases([case], long)
    if case is against_lyapax and not outcome.rows:
        pytest.skip("lyapax is not installed")
    assert outcome.rows
    for row in outcome.rows:
        assert passes(row), markdown(Outcome(outcome.system, [row], outcome.seconds))


# The slowest cases run only in full length.
FAST = [case for case in CASES if case.__name__ not in ("against_dense", "eager_and_vmapped", "ways_of_computing")]


@pytest.mark.parametrize("case", FAST, ids=lambda case: case.__name__)
def test_spectra_agree_with_known_values(case):
    check(case, long=False)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_spectra_agree_with_known_values_over_long_runs(case):
    check(case, long=True)
