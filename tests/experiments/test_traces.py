"""Traces of arms that end: planted decisions, controls, and the words of the verdict."""

import numpy as np

from pathjax.experiments.arms.traces import (
    BASELINE,
    ONE_BIT,
    Decisions,
    control_of,
    ends_of,
    is_push,
    record_after,
    trace_of,
)
from pathjax.experiments.arms.verdict import verdict

ARMS = {"nudge": {"l1": (0.1, 0, 100)}, "push": {"tilt": (0.1, 0, 100)}}


def planted(share, num_inits=12, points=400, after=0.2):
    """A nudged arm that differs from the baseline on `after` of the points at t1, and on `share` at the end."""
    rng = np.random.default_rng(0)
    steps = np.array([0, 100, 200, 300, 400, 500])
    base = np.repeat((rng.uniform(size=(1, num_inits, points)) < 0.5), len(steps), 0).astype(np.int8)
    arms = {BASELINE: base, ONE_BIT: base.copy(), "nudge": base.copy(), "push": base.copy()}
    for t, own in enumerate(np.interp(steps, [0, 100, 500], [0, after, share])):
        for i in range(num_inits):
            arms["nudge"][t, i, rng.permutation(points)[: round(own * points)]] ^= 1
    loss = np.repeat(np.linspace(1, 0.5, len(steps))[:, None], num_inits, 1)
    return Decisions(steps, arms, {"plane": np.full(points, 1 / points)}, loss)


def test_a_planted_trace_comes_out():
    found = trace_of(planted(0.05), "nudge", "plane", 100, "push")
    np.testing.assert_allclose(found.after, 0.2)
    np.testing.assert_allclose(found.end, 0.05)
    np.testing.assert_allclose(found.remains, 0.25)
    np.testing.assert_allclose(found.late, 0.05 / 0.1250, atol=0.01)
    np.testing.assert_allclose(found.frozen, 0.2)  # the baseline has not moved
    np.testing.assert_allclose(found.beyond_control, 0.05)
    np.testing.assert_allclose((found.loss_after.value, found.loss_end.value), (0.9, 0.5))
    assert abs(found.seeds.value - 0.5) < 0.01 and found.moved.value == 0
    assert found.separation.low < 0 < found.separation.high  # flips at random places separate no populations
    said = verdict(found, "nudge", "plane")
    assert (
        "the trace decays (5% [5, 5] at the end, of 20% [20, 20]" in said and "their loss went from 0.9 to 0.5" in said
    )
    assert "it is more than what a random push of the same force leaves" in said
    assert "nudged runs are not detectably set apart" in said and "a frozen run would show 20%" in said
    np.testing.assert_allclose(found.separation, found.separation_from_control)  # the push has no effect


def test_a_trace_that_all_runs_share_separates_them_from_seeds():
    found = planted(0.2)
    found.arms["nudge"][1:, :, :40] = 1  # a tenth of the plane is decided alike by all nudged runs
    trace = trace_of(found, "nudge", "plane", 100, None)
    said = verdict(trace, "nudge", "plane")
    # sum_p w_p 2 (1 - P_p)^2 over a tenth of the points, with P_p of 12 draws of 1/2; baselines differ by 1/2.
    assert trace.separation.low > 0 and abs(trace.separation.value - 0.1 * 2 * 0.25 / 0.5) < 0.03
    assert (
        "the trace stays" in said
        and "nudged runs are set apart from plain ones (by" in said
        and "no random push was run" in said
    )
    same = planted(0.0, after=0.0)
    assert "no trace is detected (0% [0, 0]" in verdict(trace_of(same, "nudge", "plane", 100, "push"), "nudge", "plane")


def test_what_cannot_be_told_is_said():
    assert trace_of(planted(0.1, num_inits=2), "nudge", "plane", 100, None) is None
    assert trace_of(planted(0.1), "nudge", "plane", 500, None) is None
    assert trace_of(planted(0.1), "nudge", "plane", 401, None) is None
    no_middle = trace_of(planted(0.1), "nudge", "plane", 400, None)
    assert np.isnan(no_middle.late.value) and "cannot be told whether it stays" in verdict(no_middle, "a", "b")
    assert record_after(planted(0.1), 115) == 200 and record_after(planted(0.1), 500) is None


def test_a_control_has_the_force_of_its_arm():
    assert control_of(ARMS, "nudge") == "push"
    assert control_of(ARMS | {"nudge": {"l1": (0.2, 0, 100)}}, "nudge") is None
    assert control_of(ARMS | {"nudge": {"l2": (0.1, 0, 100)}}, "nudge") is None
    others = {"nudge": ARMS["nudge"], "p": {"tilt": (0.1, 0, 50)}, "q": {"tilt": (0.1, 0, 100), "tilt_seed": 5}}
    assert control_of(others, "nudge") == "q" and is_push(others["q"]) and not is_push(others["nudge"])


def test_arms_end_where_their_last_window_does():
    arms = {"a": {"l1": 0.1}, "b": {"l1": (0.1, 0, 50), "l2": (0.1, 0, 80)}, "c": {"l1": (0.1, 0, 50), "l2": 0.1}}
    assert ends_of(arms | {"d": {"l1": (0.1, 0, 100)}}, 100) == {"b": 80}
