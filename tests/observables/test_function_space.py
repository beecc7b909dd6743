"""Distances in function space against their one-line definitions, and the metric axioms for some of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, softmax

import pathjax
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.core import trees
from pathjax.measures.divergences import jeffreys, jensen_shannon, soft_cross_entropy
from pathjax.observables.cka import gram_direction
from pathjax.observables.classification_measures import MEASURES
from pathjax.observables.function_space import evaluate

obs = pathjax.observables


def by_numpy(z, y, z0):
    """Each measure on logits (n, classes), labels (n,) and the baseline's logits, by its definition."""
    logp, p, p0, n = log_softmax(z, 1), softmax(z, 1), softmax(z0, 1), np.arange(len(y))
    own, others = z.argmax(1), z0.argmax(1)
    return {
        "loss": -logp[n, y].mean(),
        "accuracy": (own == y).mean(),
        "agreement": (own == others).mean(),
        "loss_difference": (-logp[n, y] + log_softmax(z0, 1)[n, y]).mean(),
        "accuracy_difference": (own == y).mean() - (others == y).mean(),
        "counterfactual_loss": -logp[n, others].mean(),
        "soft_counterfactual_loss": -(p0 * logp).sum(1).mean(),
        "soft_counterfactual_accuracy": p0[n, own].mean(),
        "disagreement": (own != others).mean(),
        "jeffreys": ((p - p0) * (logp - log_softmax(z0, 1))).sum(1).mean(),
        "js_distance": jensenshannon(p, p0, axis=1).mean(),
        "logit_distance": np.sqrt(((z - z0) ** 2).sum(1).mean()),
        "softmax_distance": np.sqrt(((p - p0) ** 2).sum(1).mean()),
    }


@pytest.mark.parametrize("spread", [1e-3, 0.3, 10.0])
def test_measures_match_their_definitions(x64, spread):
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(70, 6))
    z0, y = z + spread * rng.normal(size=z.shape), rng.integers(0, 6, 70)
    found = evaluate(lambda w, x: x, tuple(MEASURES), (), (jnp.asarray(z), jnp.asarray(y), jnp.asarray(z0)))
    for name, value in by_numpy(z, y, z0).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-12, err_msg=name)
    assert set(found) == set(by_numpy(z, y, z0))


def test_measures_of_sequences_are_means_over_places(x64):
    rng = np.random.default_rng(0)
    z, z0, y = rng.normal(size=(9, 5, 4)), rng.normal(size=(9, 5, 4)), rng.integers(0, 4, (9, 5))
    names = tuple(name for name in MEASURES if not name.endswith("logit_distance"))
    found = evaluate(lambda w, x: x, names, (), tuple(map(jnp.asarray, (z, y, z0))))
    flat = by_numpy(z.reshape(45, 4), y.ravel(), z0.reshape(45, 4))
    for name in names:
        np.testing.assert_allclose(found[name], flat[name], rtol=1e-9, err_msg=name)


def test_regression_matches_its_definition(x64, key):
    inputs, targets = np.random.default_rng(0).normal(size=(2, 40, 2))
    found = []
    for weights in (np.eye(2), np.array([[1.0, 0.3], [0.0, 2.0]])):
        params = jnp.asarray(weights)
        measure = obs.regression(lambda w, x: x @ w, {"test": (jnp.asarray(inputs), jnp.asarray(targets))})
        states = [
            pathjax.State(params=p, opt_state=(), hparams={}, step=jnp.zeros((), jnp.int32))
            for p in (params, jnp.eye(2))
        ]
        reference = measure.reference(states[1], measure.data)
        found.append(measure.read((), pathjax.core.types.Snapshot(*states, measure.data, reference))[1])
        squares = ((inputs @ weights - targets) ** 2).sum(1)
        variance = ((targets - targets.mean(0)) ** 2).sum(1).mean()
        away = np.sqrt(((inputs @ (weights - np.eye(2))) ** 2).sum(1).mean())
        expected = {"loss": squares.mean() / 2, "r2": 1 - squares.mean() / variance, "output_distance": away}
        for name, value in expected.items():
            np.testing.assert_allclose(found[-1][f"test_{name}"], value, rtol=1e-9, atol=1e-12)
    assert float(found[0]["test_output_distance"]) == 0.0


def test_members_are_measured_against_the_baseline(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(1.0,))
    measure = obs.classification(predict, {"test": examples}, measures=tuple(MEASURES))
    records = pathjax.rollout(dynamics, members, examples, schedule(2, 32), [measure]).records
    z, z0 = (np.asarray(predict(trees.index(members.state.params, m), examples[0]), float) for m in (4, 0))
    for name, value in by_numpy(z, np.asarray(examples[1]), z0).items():
        np.testing.assert_allclose(records[f"test_{name}"][0, 4], value, rtol=2e-5, atol=1e-6, err_msg=name)
    for name in ("js_distance", "logit_distance", "softmax_distance", "jeffreys", "disagreement"):
        assert (records[f"test_{name}"][:, 1] < 1e-6).all()  # the replica, except for rounding


def test_close_outputs_do_not_cancel():
    """Compares single precision with double."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=10)
    for spread in (1e-4, 1e-3, 1e-2, 3.0, 60.0):
        a, b = np.float32(z), np.float32(z + spread * rng.normal(size=10))
        p, q = softmax(a.astype(float)), softmax(b.astype(float))
        np.testing.assert_allclose(np.sqrt(jensen_shannon(a, b)), jensenshannon(p, q), rtol=5e-3)
        np.testing.assert_allclose(jeffreys(a, b), ((p - q) * np.log(p / q)).sum(), rtol=5e-3)


outputs = st.lists(st.lists(st.floats(-8, 8), min_size=3, max_size=3), min_size=4, max_size=4).map(np.array)


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.metric])
@settings(max_examples=50, deadline=None)
@given(a=outputs, b=outputs, c=outputs)
def test_metrics_are_metrics(name, a, b, c):
    with jax.enable_x64(True):

        def distance(x, y):
            labels = jnp.zeros(4, jnp.int32)
            found = evaluate(lambda w, x: x, (name,), (), (jnp.asarray(x), labels, jnp.asarray(y)))
            return float(found[name])

        assert distance(a, a) == 0 and distance(a, b) >= 0
        np.testing.assert_allclose(distance(a, b), distance(b, a), rtol=1e-9, atol=1e-12)
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9


def test_jeffreys_is_not_a_metric():
    a, b, c = (jnp.array([x, 0.0]) for x in (0.0, 2.0, 4.0))
    assert jeffreys(a, c) > jeffreys(a, b) + jeffreys(b, c)


def test_an_unknown_measure_raises():
    with pytest.raises(pathjax.InputError, match="unknown measure 'lss'; choose from loss, accuracy"):
        obs.classification(predict, {}, measures=["lss"])


def test_kernel_alignment_matches_its_definition(x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 5)), rng.normal(size=(20, 8))
    a, b = x - x.mean(0), y - y.mean(0)
    linear = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    angle = trees.angle(gram_direction(jnp.asarray(x)), gram_direction(jnp.asarray(y)))
    np.testing.assert_allclose(jnp.cos(angle), linear, rtol=1e-6)
    turned = x @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert trees.angle(gram_direction(jnp.asarray(x)), gram_direction(3 * jnp.asarray(turned))) < 1e-7


@settings(max_examples=50, deadline=None)
@given(a=outputs, b=outputs, c=outputs)
def test_the_angle_of_kernels_is_a_metric_up_to_rotation_and_scale(a, b, c):
    with jax.enable_x64(True):
        a, b, c = (gram_direction(jnp.asarray(x)) for x in (a, b, c))
        if all(jnp.linalg.norm(x) > 0.5 for x in (a, b, c)):
            assert trees.angle(a, a) == 0
            assert trees.angle(a, c) <= trees.angle(a, b) + trees.angle(b, c) + 1e-9
            np.testing.assert_allclose(trees.angle(a, b), trees.angle(b, a), rtol=1e-9)


def test_layers_of_equal_networks_have_cka_1_and_of_others_less(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(1.0,))
    measure = obs.linear_cka(lambda p, x: {"hidden": jnp.tanh(x @ p["w0"])}, ["hidden"], examples[0])
    records = pathjax.rollout(dynamics, members, examples, schedule(2, 32), [measure]).records
    assert (records["cka"][:, :2] == 1).all() and (records["cka_angle"][:, :2] < 1e-6).all()
    assert (records["cka"][:, 3:] < 0.99).all()


def test_unknown_layers_raise_and_dead_layers_are_nan(key):
    dynamics, params, examples = network(key)
    arguments = (dynamics, ensemble(dynamics, params, key), examples, schedule(2, 32))
    features = lambda p, x: {"hidden": x @ p["w0"], "dead": 0 * x}  # noqa: E731
    with pytest.raises(pathjax.InputError, match="unknown layer 'other'; choose from hidden, dead"):
        pathjax.rollout(*arguments, [obs.linear_cka(features, ["other"], examples[0])])
    with pytest.raises(pathjax.InputError, match="layers is empty"):
        obs.linear_cka(features, [], examples[0])
    records = pathjax.rollout(*arguments, [obs.linear_cka(features, ["hidden", "dead"], examples[0])]).records
    assert np.isnan(records["cka"][..., 1]).all() and np.isfinite(records["cka"][..., 0]).all()


def test_layers_with_constant_outputs_have_no_direction():
    for value in (0.0, 0.1, 0.3, 1e10):
        assert not np.asarray(gram_direction(jnp.full((200, 3), value))).any()


def test_classes_with_probability_0_do_not_count(x64):
    a, b = jnp.array([0.0, -jnp.inf, 1.0, -jnp.inf]), jnp.array([1.0, -jnp.inf, 0.0, -jnp.inf])
    short = [jnp.array([0.0, 1.0]), jnp.array([1.0, 0.0])]
    np.testing.assert_allclose(jensen_shannon(a, b), jensen_shannon(*short), rtol=1e-12)
    np.testing.assert_allclose(jeffreys(a, b), jeffreys(*short), rtol=1e-12)
    np.testing.assert_allclose(soft_cross_entropy(a, b), soft_cross_entropy(*short), rtol=1e-12)
    p, q = jnp.array([0.0, -jnp.inf, 1.0]), jnp.array([1.0, 0.5, -jnp.inf])
    expected = jensenshannon(softmax(p), softmax(q)) ** 2
    np.testing.assert_allclose(jensen_shannon(p, q), expected, rtol=1e-9)
    assert jeffreys(p, q) == jnp.inf


def test_means_over_many_examples_are_accurate_in_half_precision():
    labels = jnp.arange(1000) % 10
    logits = jnp.eye(10, dtype=jnp.bfloat16)[jnp.where(jnp.arange(1000) < 187, labels, (labels + 1) % 10)]
    found = evaluate(lambda w, z: z, ("accuracy",), None, (logits, labels, logits))
    np.testing.assert_allclose(found["accuracy"], 0.187, rtol=1e-6)
