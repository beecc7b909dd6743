import math

import numpy as np
import pytest
import xarray as xr

from pathjax.analysis.finite_size import FiniteSizeCurve
from pathjax.experiments.divergence.summary import add_linear_response, finite_size_words, linear_response, summarize
from pathjax.experiments.divergence.tables import format_summary

EPSILONS = (1e-3, 1e-1)


def trajectory(num_steps=40):
    """A run in which every distance grows exactly as its tangent: by a factor of 2 over all steps."""
    role = np.array(["baseline", "replica", "roundoff", *["perturbed"] * 4])
    epsilon = np.array([0, 0, 0, *np.repeat(EPSILONS, 2)])
    seed = np.array([-1, -1, -1, 0, 1, 0, 1])
    growth = 2 ** (np.arange(num_steps + 1) / num_steps)
    start = np.where(epsilon > 0, 10 * epsilon, np.where(role == "roundoff", 1e-8, 0.0))
    distance = growth[:, None] * start
    ones = np.ones((num_steps + 1, 7))
    member = {name: ("member", values) for name, values in (("role", role), ("epsilon", epsilon), ("seed", seed))}
    each = {
        "distance": distance,
        "distance_growth": np.where(start > 0, growth[:, None], np.nan),
        "relative_distance": distance / 10,
        "weight_norm": 10 * ones,
        "first_nonfinite": -ones.astype(int),
    }
    for name in ("test_agreement", "test_accuracy", "train_accuracy", "test_loss", "train_loss"):
        each[name] = 0.9 * ones
    arrays = {name: (("step", "member"), values) for name, values in each.items()}
    arrays["tangent_norm"] = (("step", "direction"), 10 * np.repeat(growth[:, None], 2, axis=1))
    arrays["log_growth"] = (("step", "tangent"), np.full((num_steps + 1, 1), math.log(2) / num_steps))
    return add_linear_response(xr.Dataset(arrays, {"step": np.arange(num_steps + 1), **member}))


def test_the_numbers_are_those_of_the_run():
    summary = summarize(trajectory(), 900, "tanh", missed_by_tangents="")
    assert summary["controls"]["replica_largest_distance"] == 0
    assert [size["relative_start"] for size in summary["perturbed"]] == pytest.approx(EPSILONS)
    assert summary["largest_exponent"]["nats_per_step"] == pytest.approx(math.log(2) / 40)
    assert summary["baseline"]["test_accuracy_stderr"] == pytest.approx(0.01)
    assert summary["linear_response"]["holds_at_epsilon"] == list(EPSILONS)
    for size in summary["perturbed"]:
        assert size["growth"]["mean"] == pytest.approx(2) and size["response_largest_deviation"] < 1e-12
    assert "holds at epsilon = 0.001, 0.1" in format_summary(summary)


def test_a_member_that_diverged_is_named_and_changes_no_statistics():
    run = trajectory()
    for name in ("distance", "distance_growth", "weight_norm", "linear_response_ratio"):
        run[name].values[20:, 3] = np.nan
    run.first_nonfinite.values[20:, 3] = 20
    run.test_agreement.values[20:, 3] = 0.1
    summary = summarize(run, 900, "tanh", missed_by_tangents="")
    good = summarize(trajectory(), 900, "tanh", missed_by_tangents="")
    size = summary["perturbed"][0]
    assert size["test_agreement"]["mean"] == 0.9 and (size["growth"]["n"], size["growth"]["total"]) == (1, 2)
    assert summary["linear_response"] == good["linear_response"] and summary["perturbed"][1] == good["perturbed"][1]
    assert "epsilon = 0.001: member 3 not finite, first at step 20" in format_summary(summary)


def test_a_baseline_that_diverged_leaves_no_statistics():
    run = trajectory()
    run.first_nonfinite.values[20:] = 20
    summary = summarize(run, 900, "tanh", missed_by_tangents="")
    assert math.isnan(summary["baseline"]["test_accuracy"]) and math.isnan(summary["largest_exponent"]["nats_per_step"])
    assert "The baseline itself diverged" in format_summary(summary)
    verdict = summary["linear_response"]["verdict"]
    assert verdict.startswith("Can the tangent be trusted with tanh? This cannot be decided")


def size(epsilon, deviation, over_roundoff=1e4):
    return {
        "epsilon": epsilon,
        "response_largest_deviation": deviation,
        "response_ratio": {"median": 1 + deviation},
        "smallest_distance_over_roundoff": over_roundoff,
    }


@pytest.mark.parametrize(
    ("deviations", "says", "says_not"),
    [
        ((0.01, 0.02, 0.03), "holds at epsilon = 0.001, 0.01, 0.1", "fails"),
        ((0.01, 0.02, 0.3), "fails at epsilon = 0.1 and holds at 0.001, 0.01", "kinks"),
        ((9.0, 0.3, 0.02), "fails at epsilon = 0.001, 0.01 and holds at 0.1", "every"),
        ((9.0, 0.3, 0.2), "fails at epsilon = 0.001, 0.01, 0.1:", "holds"),
    ],
)
def test_the_verdict_names_the_epsilons(deviations, says, says_not):
    verdict = linear_response([size(10.0 ** (i - 3), d) for i, d in enumerate(deviations)], "relu", "activation")[
        "verdict"
    ]
    assert says in verdict and says_not not in verdict
    assert ("kinks" in verdict) == (deviations[0] > 0.05)


def test_epsilons_near_the_roundoff_floor_are_not_judged():
    response = linear_response([size(1e-8, 3.0, over_roundoff=2.0), size(1e-3, 0.01)], "tanh", "")
    assert response["not_judged"] == [1e-8] and "holds at epsilon = 0.001" in response["verdict"]
    assert "Not judged" in response["verdict"] and "1e-08" in response["verdict"]


def test_collapsed_tangents_are_reported():
    run = trajectory()
    collapse = np.full(41, 0.5, np.float32)
    collapse[7] = 1e-7
    faulty = run.assign(tangent_collapse=("step", collapse))
    assert "Tangents of the weights collapsed" in format_summary(summarize(faulty, 900, "tanh", ""))
    sound = run.assign(tangent_collapse=("step", np.full(41, 0.5, np.float32)))
    assert summarize(sound, 900, "tanh", "")["faults"] == []


@pytest.mark.parametrize(
    ("excess", "says"),
    [
        ((0.0, 1e-5, 0.0), "separations from 0.001 to 0.1 all grow at their tangents' rate"),
        ((0.0, 1e-5, -1e-2), "separations up to 0.01 grow at their tangents' rate, and larger ones do not"),
        ((1e-2, 1e-3, 0.0), "even the smallest separations, near 0.001, do not grow at their tangents' rate of 0.001"),
    ],
)
def test_the_finite_size_curve_is_described_in_words(excess, says):
    size, tangent, excess = np.array([1e-3, 1e-2, 1e-1]), np.full(3, 1e-3), np.array(excess)
    curve = FiniteSizeCurve(size, tangent + excess, tangent, excess, np.full(3, 1e-4), np.full(3, 4))
    assert says in finite_size_words(curve)
    assert finite_size_words(FiniteSizeCurve(*[np.array([])] * 6)) == ""
    one = curve._replace(excess=np.full(3, 1e-2), stderr=np.full(3, np.nan))
    assert "rates cannot be compared" in finite_size_words(one)
    assert finite_size_words(one._replace(excess=np.zeros(3))).endswith("all grow at their tangents' rate.")


@pytest.mark.parametrize(
    ("missed", "says"),
    [("activation", "has kinks"), ("optimizer", "steps are signs"), ("", "grew too large")],
)
def test_the_verdict_explains_why_the_tangent_fails(missed, says):
    assert says in linear_response([size(1e-3, 9.0)], "tanh", missed)["verdict"]
