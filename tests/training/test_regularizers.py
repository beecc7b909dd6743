"""Regularizers against their definitions, alone and in the loss of a config."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.configs import smoke
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.task import make_task
from pathjax.training.regularizers import penalty, smoothed_cross_entropy

WEIGHTS = {"a": {"kernel": jnp.array([[1.0, -2.0], [3.0, 0.0]]), "bias": jnp.array([-4.0])}}


def test_penalties_are_sums_over_the_leaves_that_are_chosen():
    strengths = {"l1": 0.5, "l2": 2.0, "other": 9.0}
    assert penalty(WEIGHTS, strengths).item() == 0.5 * 10 + 30
    assert penalty(WEIGHTS, strengths, "kernel$").item() == 0.5 * 6 + 14
    assert penalty(WEIGHTS, {"l1": 1.0}).item() == 10 and penalty(WEIGHTS, {}).item() == 0


def test_a_tilt_is_a_constant_force_of_fixed_random_signs():
    weights = {"a": jnp.ones((40, 50)), "b": jnp.zeros(500)}
    force = jax.grad(lambda w: penalty(w, {"tilt": 0.3}))(weights)
    moved = jax.grad(lambda w: penalty(w, {"tilt": 0.3}))(jax.tree.map(lambda leaf: leaf - 2.0, weights))
    elsewhere = jax.grad(lambda w: penalty(w, {"tilt": 0.3, "tilt_seed": jnp.float32(1)}))(weights)["a"]
    assert abs(float(jnp.mean(elsewhere * force["a"]))) < 4 * 0.09 / elsewhere.size**0.5
    for leaf, other in zip(jax.tree.leaves(force), jax.tree.leaves(moved), strict=True):
        np.testing.assert_allclose(jnp.abs(leaf), 0.3, rtol=1e-6)
        np.testing.assert_array_equal(leaf, other)
        assert abs(float(jnp.mean(leaf > 0)) - 0.5) < 4 * 0.5 / leaf.size**0.5


@pytest.mark.parametrize(("pattern", "message"), [("weight", "matches no leaf name"), ("(", "not a valid regular")])
def test_a_pattern_that_fits_nothing_is_one_line(pattern, message):
    with pytest.raises(pathjax.InputError, match=message):
        penalty(WEIGHTS, {"l1": 1.0}, pattern)


def test_smoothed_cross_entropy_is_that_of_smoothed_labels(key):
    logits, labels = jax.random.normal(key, (6, 4)), jax.random.randint(key, (6,), 0, 4)
    expected = optax.softmax_cross_entropy(logits, optax.smooth_labels(jax.nn.one_hot(labels, 4), 0.3))
    np.testing.assert_allclose(smoothed_cross_entropy(logits, labels, 0.3), expected, rtol=1e-5)


def test_the_loss_of_a_config_has_all_its_regularizers(key):
    config = smoke.get_config()
    config.regularization.l1, config.regularization.l2, config.regularization.label_smoothing = 0.01, 0.1, 0.2
    config.regularization.penalized = "kernel$"
    task = make_task(parse_settings(config))
    inputs, labels = (a[:5] for a in task.dataset.train)
    params = task.model.init(key, inputs)["params"]
    found = task.loss_fn(params, (inputs, labels), task.hparams)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 10), 0.2)
    kernels = [np.asarray(layer["kernel"], float) for layer in params.values()]
    added = sum(0.01 * np.abs(k).sum() + 0.1 * (k**2).sum() / 2 for k in kernels)
    expected = optax.softmax_cross_entropy(task.predict(params, inputs), targets) + added
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert task.flags["hparams_in_loss"] and task.hparams["l2"] == 0.1


def test_arms_set_hyperparameters_of_single_members():
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    one = pathjax.independent_ensemble(dynamics, jnp.ones((2, 3)), hparams={"rate": [0.1, 0.2]})
    found = pathjax.with_arms(one, {"slow": {"rate": 0.01}, "off": {"rate": 0.0}}, baseline="usual")
    np.testing.assert_allclose(found.state.hparams["rate"], [0.1, 0.2, 0.01, 0.0], rtol=1e-6)
    assert found.members.labels["arm"].tolist() == ["usual", "usual", "slow", "off"]
    assert found.members.role.tolist() == ["baseline", "independent", "arm", "arm"]
    for arms, message in (
        ({"a": {"lr": 1}}, "arm 'a' sets 'lr', and the ensemble has rate"),
        ({"b": {}}, "choose another"),
    ):
        with pytest.raises(pathjax.InputError, match=message):
            pathjax.with_arms(one, arms, baseline="b")
