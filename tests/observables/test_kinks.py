"""Kinks between members and the baseline, against gradients written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax import observables as obs
from pathjax.models import CNN, MLP
from pathjax.observables.kinks import pattern_of, with_pattern

KEY, RATE, STEPS, EVERY = jax.random.key(0), 0.2, 12, 4
LEAK = 0.1


def network(params, inputs, activation):
    return activation(inputs @ params["first"]) @ params["last"]


def loss(outputs, targets):
    return jnp.sum((outputs - targets) ** 2, -1)


def leaky(z):
    return jnp.where(z > 0, z, LEAK * z)


def by_hand(w, x, y, on):
    """The gradient of the mean loss with all units held on or off."""
    slope = np.where(on, 1, LEAK)
    hidden = slope * (x @ w["first"])
    error = 2 * (hidden @ w["last"] - y) / len(x)
    return {"first": x.T @ (slope * (error @ w["last"].T)), "last": hidden.T @ error}


def expected(start, base, x, y, rows, probe):
    """The sums of a member that trains beside the baseline, and its differences on a fixed set, by a plain loop."""
    totals, sums, counts = [], np.zeros(5), []
    w, b = dict(start), dict(base)
    differing = lambda: (probe @ w["first"] > 0) != (probe @ b["first"] > 0)  # noqa: E731
    before = differing()
    for step, chosen in enumerate(rows):
        xs, ys = x[chosen], y[chosen]
        on, held = (xs @ p["first"] > 0 for p in (w, b))
        own, of_pattern = by_hand(w, xs, ys, on), by_hand(w, xs, ys, held)
        kinks = {name: own[name] - of_pattern[name] for name in own}
        apart = {name: w[name] - b[name] for name in w}
        square = sum((a**2).sum() for a in apart.values())
        along = sum((kinks[name] * apart[name]).sum() for name in apart)
        sums += [(on != held).sum(), sum((k**2).sum() for k in kinks.values()), along, square**0.5, square]
        gradient = by_hand(b, xs, ys, held)
        w = {name: w[name] - RATE * own[name] for name in w}
        b = {name: b[name] - RATE * gradient[name] for name in b}
        if (step + 1) % EVERY == 0:
            now = differing()
            counts.append([now.sum(), (now & ~before).sum(), (before & ~now).sum()])
            totals.append(sums)
            sums, before = np.zeros(5), now
    return np.array(totals), np.array(counts)


@pytest.mark.parametrize("options", [{}, {"member_tile": 2, "mesh": pathjax.member_mesh(2)}], ids=["one", "devices"])
def test_kinks_are_those_of_a_plain_loop(x64, options):
    keys = jax.random.split(KEY, 4)
    x, y = (jax.random.normal(k, shape, float) for k, shape in ((keys[0], (40, 5)), (keys[1], (40, 2))))
    start = {"first": jax.random.normal(keys[2], (5, 9)), "last": jax.random.normal(keys[3], (9, 2)) / 3}
    dynamics = pathjax.training_dynamics(lambda w, e: loss(network(w, e[0], leaky), e[1]), optax.sgd(RATE))
    made = {"epsilons": [0.3], "num_seeds": 2}
    members = pathjax.perturbed_ensemble(KEY, dynamics, start, pathjax.gaussian(), **made)
    schedule = pathjax.batch_schedule(KEY, 40, 10, num_steps=STEPS)
    measures = [
        obs.kink_crossings(network, loss, every=EVERY, leak=LEAK),
        obs.pattern_differences(network, x[:20], every=EVERY),
    ]
    found = pathjax.rollout(dynamics, members, (x, y), schedule, measures, pathjax.RolloutOptions(**options)).records
    names = ("crossings", "kink_squared", "kink_along", "separation_sum", "separation_squared")
    each = [jax.tree.map(lambda a, m=m: np.asarray(a[m]), members.state.params) for m in range(5)]
    for m in range(5):
        data = (np.asarray(x), np.asarray(y), np.asarray(schedule.indices), np.asarray(x)[:20])
        sums, counts = expected(each[m], each[0], *data)
        own = np.stack([found[name][1:, m] for name in names], 1)
        np.testing.assert_allclose(own, sums, rtol=1e-9, atol=1e-12)
        own = np.stack([found[name][1:, m] for name in ("differing", "begun", "healed")], 1)
        np.testing.assert_array_equal(own, counts)
    assert found["crossings"][1:, 3].min() > 0 and found["healed"].sum() > 0
    assert (found["kink_squared"][:, 1] == 0).all()  # the replica


@pytest.mark.parametrize(
    ("model", "shape"),
    [(lambda f: MLP((7, 6), 3, f), (4,)), (lambda f: CNN((3, 5), 3, f), (6, 6, 1))],
    ids=["mlp", "cnn"],
)
def test_a_network_held_in_its_own_pattern_is_itself(model, shape):
    inputs = jax.random.normal(KEY, (5, *shape))
    params = model("relu").init(KEY, inputs)["params"]
    predict = lambda params, x, activation: model(activation).apply({"params": params}, x)  # noqa: E731
    pattern = pattern_of(predict, params, inputs)
    assert len(pattern) == 2 and all(0 < layer.mean() < 1 for layer in pattern)
    same = with_pattern(predict, params, inputs, pattern)
    np.testing.assert_allclose(same, model("relu").apply({"params": params}, inputs), rtol=1e-6)
