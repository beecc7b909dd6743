"""Derivatives of training, against closed forms, independent central differences, and full Jacobians."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import network, predict, schedule
from pathjax.core import trees
from pathjax.derivatives import (
    direction,
    disagreements,
    early_directions,
    example_influence,
    example_weight,
    hyperparameter,
    sensitivity,
)

HPARAMS = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-3}
RELU = functools.partial(predict, activation=jax.nn.relu)


def training(key, forward=predict, optimizer=None, sizes=(5, 7, 3), hparams=None):
    """Explicit dynamics in which every hyperparameter is a leaf, the initial state, and the examples."""
    _, params, examples = network(key, sizes=sizes)

    def loss_fn(p, batch):
        return optax.softmax_cross_entropy_with_integer_labels(forward(p, batch[0]), batch[1])

    def build(h):
        decay = optax.add_decayed_weights(h["weight_decay"])
        return optax.chain(decay, optax.sgd(h["learning_rate"], momentum=h["momentum"]))

    dynamics = pathjax.training_dynamics(loss_fn, optimizer or build)
    params = jax.tree.map(lambda w: w.astype(trees.float_type(examples[0])), params)
    return dynamics, dynamics.init(params, HPARAMS if hparams is None else hparams), examples


def final(dynamics, state, examples, plan):
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, plan)
    return jax.jit(lambda state, xs: jax.lax.scan(lambda s, x: (step_fn(s, x), None), state, xs)[0])(state, xs).params


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.slow
def test_derivatives_equal_central_differences_of_full_runs(x64, key):
    dynamics, state, examples = training(key)
    plan = schedule(200, num_examples=32, batch_size=8)
    along = jax.tree.map(lambda w: jax.random.normal(key, w.shape), state.params)
    wrt = {name: hyperparameter(name) for name in HPARAMS}
    wrt |= {"direction": direction(along), "example": example_weight(3, 2)}
    found = sensitivity(dynamics, state, examples, plan, wrt, every=50, readout=lambda p: predict(p, examples[0][:2]))
    # The library's differences, and independent ones from training again.
    assert (found.disagreement[1:] < 1e-6).all() and not disagreements(found)
    runs = {}
    for name in HPARAMS:
        size = 1e-5 * HPARAMS[name]
        moved = [state._replace(hparams=state.hparams | {name: state.hparams[name] + s * size}) for s in (1, -1)]
        runs[name] = size, [final(dynamics, one, examples, plan) for one in moved]
    moved = [
        state._replace(params=jax.tree.map(lambda w, d, s=s: w + s * 1e-6 * d, state.params, along)) for s in (1, -1)
    ]
    runs["direction"] = 1e-6, [final(dynamics, one, examples, plan) for one in moved]
    weights = np.ones(plan.indices.shape)
    steps = [
        plan._replace(
            weights=jnp.asarray(
                weights + s * 1e-5 * (np.indices(weights.shape) == np.array([3, 2]).reshape(2, 1, 1)).all(0)
            )
        )
        for s in (1, -1)
    ]
    runs["example"] = 1e-5, [final(dynamics, state, examples, one) for one in steps]
    for k, label in enumerate(found.labels):
        size, (plus, minus) = runs[label]
        by_hand = (flat(plus) - flat(minus)) / (2 * size)
        own = flat(trees.index(found.tangents, k))
        assert np.linalg.norm(by_hand - own) < 1e-6 * np.linalg.norm(own), label
        np.testing.assert_allclose(found.norm[-1, k], np.linalg.norm(own), rtol=1e-9)
    np.testing.assert_allclose(found.readout_derivative, found.readout_difference, rtol=1e-5, atol=1e-6)
    assert found.norm.shape == (5, 5) and found.readout_derivative.shape == (5, 5, 2, 3)
    assert not found.norm[0, [0, 1, 2, 4]].any() and found.steps.tolist() == [0, 50, 100, 150, 200]


def test_disagreements_report_nonsmooth_dynamics(x64, key):
    dynamics, state, examples = training(key, RELU, sizes=(5, 40, 3))
    plan = schedule(200, num_examples=32, batch_size=8)
    along = jax.tree.map(lambda w: jax.random.normal(key, w.shape), state.params)
    found = sensitivity(dynamics, state, examples, plan, {"direction": direction(along, epsilon=1e-2)})
    assert len(disagreements(found)) == 1 and "nonsmooth" in disagreements(found)[0]


@pytest.mark.slow
def test_the_observable_gives_the_same_derivatives(x64, key):
    dynamics, state, examples = training(key)
    plan = schedule(12, num_examples=32, batch_size=8)
    wrt = {"rate": hyperparameter("learning_rate"), "example": example_weight(5, 2)}
    wrt["along"] = direction(jax.tree.map(jnp.ones_like, state.params))
    members = pathjax.perturbed_ensemble(
        key, dynamics, state.params, pathjax.gaussian(), epsilons=[0.1], num_seeds=1, hparams=HPARAMS
    )
    measure = pathjax.observables.sensitivity(
        dynamics, wrt, (12, 8), every=4, readout=lambda p, x: predict(p, x).sum(), data=examples[0]
    )
    records = pathjax.rollout(
        dynamics, members, examples, plan, [measure], options=pathjax.RolloutOptions(member_tile=2)
    ).records
    found = sensitivity(dynamics, state, examples, plan, wrt, every=4, readout=lambda p: predict(p, examples[0]).sum())
    for name, field in (("sensitivity", "norm"), ("difference_sensitivity", "difference_norm")):
        np.testing.assert_allclose(records[name], getattr(found, field), rtol=1e-6)
    for name in ("readout_derivative", "readout_difference"):
        np.testing.assert_allclose(records[name], getattr(found, name), rtol=1e-5, atol=1e-9)


def test_a_quadratic_matches_its_closed_form(x64):
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    state = dynamics.init(jnp.array([1.0, -2.0]), {"rate": 0.1})
    wrt = {"rate": hyperparameter("rate"), "first": direction(jnp.array([1.0, 0.0]))}
    found = sensitivity(dynamics, state, jnp.zeros(8), schedule(20), wrt, every=4, readout=lambda w: jnp.sum(w))
    steps = np.arange(0, 21, 4)
    np.testing.assert_allclose(found.norm[:, 1], 0.9**steps, rtol=1e-12)
    np.testing.assert_allclose(found.norm[:, 0], steps * 0.9 ** (steps - 1.0) * 5**0.5, rtol=1e-12)
    np.testing.assert_allclose(found.readout, -(0.9**steps), rtol=1e-12)
    np.testing.assert_allclose(found.readout_derivative[:, 0], steps * 0.9 ** (steps - 1.0), rtol=1e-12)


def test_adam_and_integer_leaves_are_supported(key):
    dynamics, state, examples = training(
        key, optimizer=lambda h: optax.adam(h["learning_rate"], eps_root=1e-12), hparams={"learning_rate": 0.01}
    )
    found = sensitivity(dynamics, state, examples, schedule(20, 32), {"rate": hyperparameter("learning_rate")})
    assert found.norm[-1, 0] > 0 and found.disagreement[-1, 0] < 0.02


def test_reverse_mode_influences_equal_forward_mode(x64, key):
    dynamics, state, examples = training(key)
    plan = schedule(12, num_examples=32, batch_size=4)

    def mean_loss(params):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0]), examples[1]).mean()

    influence = example_influence(dynamics, state, examples, plan, mean_loss)
    wrt = {f"{t}, {b}": example_weight(t, b) for t, b in ((0, 1), (7, 3), (11, 0))}
    found = sensitivity(dynamics, state, examples, plan, wrt, readout=mean_loss)
    np.testing.assert_allclose(
        found.readout_derivative[-1], [influence[0, 1], influence[7, 3], influence[11, 0]], rtol=1e-9
    )


@pytest.mark.slow
def test_early_directions_are_singular_vectors_of_the_full_jacobian(x64, key):
    dynamics, state, examples = training(key, sizes=(3, 4, 2))
    plan = schedule(30, num_examples=32, batch_size=8)
    flat_start, unflatten = jax.flatten_util.ravel_pytree(state.params)

    def end(w):
        return jax.flatten_util.ravel_pytree(final(dynamics, state._replace(params=unflatten(w)), examples, plan))[0]

    left, values, right = np.linalg.svd(jax.jacfwd(end)(flat_start))
    found = early_directions(key, dynamics, state, examples, plan, k=3, num_iterations=60)
    np.testing.assert_allclose(found.values, values[:3], rtol=1e-6)
    assert (found.residual < 1e-3).all()
    for i in range(2):
        early, late = (flat(trees.index(tree, i)) for tree in (found.early, found.late))
        assert abs(early @ right[i]) > 1 - 1e-4 and abs(late @ left[:, i]) > 1 - 1e-4


@pytest.mark.parametrize(
    ("wrt", "message"),
    [
        ({}, "wrt is empty"),
        (
            {"h": hyperparameter("rate")},
            "'h': unknown hyperparameter 'rate'; choose one of: learning_rate, momentum, weight_decay",
        ),
        ({"e": example_weight(20, 0)}, "'e': no example 0 of step 20; choose 0 to 3 of 0 to 19"),
        ({"d": direction({"w": np.ones(3)})}, "direction 'd' has leaves"),
        ({"h": hyperparameter("momentum", epsilon=0.0)}, "epsilon of 'h' must be a positive number or None, not 0.0"),
    ],
)
def test_invalid_parameters_raise(wrt, message, key):
    dynamics, state, examples = training(key)
    with pytest.raises(pathjax.InputError, match=message):
        sensitivity(dynamics, state, examples, schedule(20, 32, 4), wrt)


def test_invalid_cadences_and_numbers_of_directions_raise(key):
    dynamics, state, examples = training(key)
    arguments = (dynamics, state, examples, schedule(20, 32, 4))
    with pytest.raises(pathjax.InputError, match="every=3 does not divide"):
        sensitivity(*arguments, {"h": hyperparameter("momentum")}, every=3)
    with pytest.raises(pathjax.InputError, match="k must be 1 to 66"):
        early_directions(key, *arguments, k=0)
    zero = {"d": direction(jax.tree.map(jnp.zeros_like, state.params))}
    with pytest.raises(pathjax.InputError, match="finite positive length, not 0"):
        sensitivity(*arguments, zero)
