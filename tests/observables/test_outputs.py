"""Outputs of members, example by example; several labelings of one set; the area under the ROC curve."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import roc_auc_score

import pathjax
from pathjax import observables as obs
from pathjax.io.to_xarray import to_dataset
from pathjax.observables.classification_measures import area_under_curve

KEY = jax.random.key(0)
INPUTS = jax.random.normal(KEY, (30, 4))
LABELS = {"sum": (INPUTS.sum(1) > 0).astype(jnp.int32), "first": (INPUTS[:, 0] > 0).astype(jnp.int32)}


def predict(w, x):
    return x @ w


def rolled(measures):
    loss = lambda w, e: optax.softmax_cross_entropy_with_integer_labels(e[0] @ w, e[1])  # noqa: E731
    dynamics = pathjax.training_dynamics(loss, optax.sgd(0.1))
    start = jax.random.normal(KEY, (4, 2))
    made = {"epsilons": [0.1], "num_seeds": 2}
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, start, pathjax.gaussian(), **made)
    schedule = pathjax.batch_schedule(KEY, 30, 10, num_steps=6)
    found = pathjax.rollout(dynamics, ensemble, (INPUTS, LABELS["sum"]), schedule, measures)
    return found, to_dataset(found)


def test_outputs_losses_and_correctness_are_those_of_the_members():
    found, data = rolled([obs.outputs(predict, {"test": (INPUTS, LABELS["sum"])}, every=3)])
    logits = np.einsum("nd,mdc->mnc", INPUTS, found.ensemble.state.params)
    assert data.test_outputs.dims == ("step", "member", "test_example", "class") and data.test_outputs.shape[0] == 3
    np.testing.assert_allclose(data.test_outputs[-1], logits, rtol=1e-5, atol=1e-6)
    losses = np.asarray(optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), LABELS["sum"][None]))
    np.testing.assert_allclose(data.test_losses[-1], losses, rtol=1e-4, atol=1e-6)
    right = logits.argmax(-1) == np.asarray(LABELS["sum"])
    assert data.test_correct.dtype == np.int8 and (data.test_correct[-1].values == right).all()


def test_records_have_the_precision_that_is_asked():
    _, data = rolled([obs.outputs(predict, {"test": (INPUTS, LABELS["sum"])}, every=6, dtype="float16")])
    assert data.test_outputs.dtype == np.float16 and data.test_losses.dtype == np.float16
    assert data.test_correct.dtype == np.int8


def test_a_set_may_have_several_labelings():
    measures = ("loss", "accuracy", "auc", "agreement")
    both = obs.classification(predict, {"test": (INPUTS, LABELS)}, every=3, measures=measures, per_example=["correct"])
    each = [
        obs.classification(predict, {name: (INPUTS, labels)}, every=3, measures=measures)
        for name, labels in LABELS.items()
    ]
    _, data = rolled([both, *each])
    for name in LABELS:
        for measure in ("loss", "accuracy", "auc"):
            np.testing.assert_array_equal(data[f"test_{name}_{measure}"], data[f"{name}_{measure}"])
        mean = data[f"test_{name}_correct"].mean("test_example")
        np.testing.assert_allclose(mean, data[f"{name}_accuracy"], rtol=1e-6)
    assert "test_sum_agreement" not in data  # which depends on no label
    np.testing.assert_array_equal(data.test_agreement, data.sum_agreement)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_under_the_curve_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, 50), rng.integers(0, 9, 50) / 4  # with ties
    found = area_under_curve(jnp.stack([jnp.zeros(50), jnp.asarray(scores)], 1), jnp.asarray(labels))
    np.testing.assert_allclose(found, roc_auc_score(labels, scores), rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_of_several_classes_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, logits = rng.permutation(np.arange(60) % 4), rng.normal(size=(60, 4))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = area_under_curve(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(found, roc_auc_score(labels, shares, multi_class="ovr"), rtol=1e-5)


def test_the_area_under_the_curve_needs_two_classes_and_examples_of_both():
    assert np.isnan(area_under_curve(jnp.zeros((4, 2)), jnp.ones(4, int)))
    assert np.isnan(area_under_curve(jnp.full((4, 2), jnp.nan), jnp.array([0, 0, 1, 1])))
    with pytest.raises(pathjax.InputError, match="dtype must be one of float16, float32, float64, or None, not 'int8'"):
        obs.outputs(predict, {"test": (INPUTS, LABELS["sum"])}, every=1, dtype="int8")
    with pytest.raises(pathjax.InputError, match="auc needs two or more classes, not 1"):
        area_under_curve(jnp.zeros((4, 1)), jnp.zeros(4, int))
    with pytest.raises(pathjax.InputError, match="unknown measure 'logits'; choose from outputs, losses, correct"):
        obs.outputs(predict, {"test": (INPUTS, LABELS["sum"])}, every=1, per_example=["logits"])
    for labels, message in ({}, "the set 'test' has no labels"), (jnp.zeros(29, int), "have shape .29,.: give .30,."):
        with pytest.raises(pathjax.InputError, match=message):
            obs.outputs(predict, {"test": (INPUTS, labels)}, every=1)


def test_sequences_have_outputs_at_each_place():
    inputs, labels = jax.random.normal(KEY, (6, 5, 4)), jnp.zeros((6, 5), jnp.int32)
    _, data = rolled([obs.outputs(predict, {"test": (inputs, labels)}, every=6)])
    assert data.test_outputs.dims[2:] == ("test_example", "test_place", "class")
    assert data.test_losses.dims[2:] == data.test_correct.dims[2:] == ("test_example", "test_place")
