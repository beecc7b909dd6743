"""Records of tangent kernels in training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.tangent_kernels import dense
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.core import trees
from pathjax.observables.gradient_variance import fluctuation
from pathjax.observables.ntk import centered, compare, label_gram

obs = pathjax.observables
KERNEL = ("kernel_norm", "kernel_drift", "kernel_drift_angle", "kernel_label_alignment", "kernel_distance")


def rolled(key, measures, num_steps=6, spoiled=None, **layout):
    """Records of a small network in training, and its members at start and end."""
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(0.3,), num_seeds=4)
    if spoiled is not None:
        weights = jax.tree.map(lambda a: a.at[spoiled].set(jnp.nan), members.state.params)
        members = members._replace(state=members.state._replace(params=weights))
    result = pathjax.rollout(
        dynamics,
        members,
        examples,
        schedule(num_steps, 32),
        measures(members, examples),
        pathjax.RolloutOptions(**layout),
    )
    return result.records, members, result.ensemble, examples


def tangent(members, examples):
    return [obs.tangent_kernel(predict, *examples, every=2)]


def test_records_match_their_definitions(key):
    records, *ends, (inputs, labels) = rolled(key, tangent)
    start, end = ([dense(predict, trees.index(e.state.params, m), inputs) for m in range(7)] for e in ends)
    targets = np.eye(3)[np.asarray(labels)]
    middle = np.eye(32) - 1 / 32
    for m in (0, 2, 5):
        now, first, own = end[m], start[m], middle @ end[m] @ middle
        wanted = middle @ targets @ targets.T @ middle
        norm = np.linalg.norm
        expected = {
            "kernel_norm": norm(now),
            "kernel_drift": norm(now - first) / norm(first),
            "kernel_drift_angle": np.arccos((now * first).sum() / norm(now) / norm(first)),
            "kernel_label_alignment": (own * wanted).sum() / norm(own) / norm(wanted),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(records[name][-1, m], value, rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(
        records["kernel_distance"][-1, 5], np.linalg.norm(end[5] - end[0]) / np.linalg.norm(end[0]), rtol=1e-3
    )
    assert not records["kernel_drift"][0].any() and not records["kernel_drift_angle"][0].any()  # exactly
    assert (records["kernel_drift"][1:] > 1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tile", "num_devices"),
    [(2, 1), (3, 2), *(pytest.param(*more, marks=pytest.mark.slow) for more in ((1, 1), (2, 4)))],
)
def test_the_replica_is_exactly_0_and_layouts_agree(key, tile, num_devices):
    layout = {"member_tile": tile, "mesh": pathjax.member_mesh(num_devices) if num_devices > 1 else None}
    reference, *_ = rolled(key, tangent)
    records, *_ = rolled(key, tangent, **layout)
    for found in (reference, records):
        assert not found["kernel_distance"][:, :2].any()
        assert (found["kernel_distance"][:, 3:] > 1e-3).all()
        assert not found["kernel_drift"][0].any() and not found["kernel_drift_angle"][0].any()
    for name in KERNEL:
        others = np.delete(np.arange(7), 2)  # the roundoff member's distance is all rounding
        np.testing.assert_allclose(
            records[name][:, others], reference[name][:, others], rtol=1e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("layout", [{}, *(pytest.param({"member_tile": t}, marks=pytest.mark.slow) for t in (1, 2))])
def test_the_replica_of_a_network_with_one_output_is_exactly_0(key, layout):
    """The kernel of one output is not a loop over outputs."""
    inputs, targets = jax.random.normal(key, (16, 5)), jnp.arange(16.0) / 16
    apply = lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"]  # noqa: E731
    dynamics = pathjax.training_dynamics(lambda p, e: (apply(p, e[0]) - e[1]) ** 2, optax.sgd(0.1))
    params = {"w": jax.random.normal(key, (5, 9)), "v": jnp.ones(9)}
    members, measure = ensemble(dynamics, params, key), obs.tangent_kernel(apply, inputs, targets)
    records = pathjax.rollout(
        dynamics, members, (inputs, targets), schedule(5, 16), [measure], options=pathjax.RolloutOptions(**layout)
    ).records
    assert not records["kernel_distance"][:, :2].any() and records["kernel_drift"][1:].all()


def test_the_kernel_of_a_linear_model_is_constant(key):
    inputs, targets = jax.random.normal(key, (16, 5)), jax.random.normal(key, (16, 2))
    dynamics = pathjax.training_dynamics(lambda w, e: jnp.sum((e[0] @ w - e[1]) ** 2, -1), optax.sgd(0.05))
    members = ensemble(dynamics, jnp.ones((5, 2)), key, epsilons=(1.0,))
    measure = obs.tangent_kernel(lambda w, x: x @ w, inputs, targets)
    result = pathjax.rollout(dynamics, members, (inputs, targets), schedule(20, 16), [measure])
    moved = jnp.abs(result.ensemble.state.params - members.state.params)
    assert (moved > 0.01).any()
    for name in ("kernel_drift", "kernel_drift_angle", "kernel_distance"):
        assert result.records[name].max() < 1e-6, name  # rounding: the loop and its start are different programs
    np.testing.assert_allclose(result.records["kernel_norm"], np.linalg.norm(inputs @ inputs.T), rtol=1e-5)


def test_a_kernel_equal_to_the_labels_has_alignment_1(x64):
    rng = np.random.default_rng(0)
    classes, targets = jnp.array([0, 3, 1, 1, 0, 3]), jnp.asarray(rng.normal(size=(6, 2)) + 5)
    grams = [(classes, jnp.eye(4)[classes]), (targets, targets)]
    for labels, features in grams:
        product = features @ features.T
        found = compare(3 * product, product, product, label_gram(labels))
        np.testing.assert_allclose(found["kernel_label_alignment"], 1, rtol=1e-12)
        shifted = compare(product + 7.0, product, product, label_gram(labels))  # a constant does not depend on labels
        np.testing.assert_allclose(shifted["kernel_label_alignment"], 1, rtol=1e-12)
        other = jnp.asarray(rng.normal(size=(6, 6)))
        assert compare(other @ other.T, product, product, label_gram(labels))["kernel_label_alignment"] < 0.99
    for alike in (jnp.zeros(6, int), jnp.full(6, 0.1)):
        assert np.isnan(compare(jnp.eye(6), jnp.eye(6), jnp.eye(6), label_gram(alike))["kernel_label_alignment"])
    assert np.isnan(
        compare(jnp.full((6, 6), 0.1), jnp.eye(6), jnp.eye(6), label_gram(classes))["kernel_label_alignment"]
    )
    np.testing.assert_allclose(centered(product).sum(0), 0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_nan_member_does_not_affect_others(key, num_devices):
    layout = {"member_tile": 2, "mesh": pathjax.member_mesh(2)} if num_devices == 2 else {}

    def both(members, examples):
        roles = ("baseline", "perturbed")
        return [
            *tangent(members, examples),
            obs.gradient_fluctuation(predict, *examples, members.members, every=2, roles=roles),
        ]

    reference, *_ = rolled(key, both, **layout)
    spoiled, members, _, examples = rolled(key, both, spoiled=4, **layout)
    others = np.delete(np.arange(7), 4)
    for name in KERNEL:
        assert np.isnan(spoiled[name][:, 4]).all(), name
        np.testing.assert_array_equal(spoiled[name][:, others], reference[name][:, others], err_msg=name)
    assert (reference["fluctuation_members"] == 5).all() and (spoiled["fluctuation_members"] == 4).all()
    chosen = [0, 3, 5, 6]
    diagonals = [np.diag(dense(predict, trees.index(members.state.params, m), examples[0])) for m in chosen]
    expected = (np.var(diagonals, axis=0, ddof=1) / np.mean(diagonals, axis=0) ** 2).mean()
    np.testing.assert_allclose(spoiled["kernel_fluctuation"][0], expected, rtol=1e-3)
    assert all(np.isfinite(spoiled[name]).all() for name in spoiled if "fluctuation" in name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param("classes", marks=pytest.mark.slow), "targets"])
def test_fluctuations_over_initializations_match_their_gradients(key, kind):
    dynamics, params, (inputs, labels) = network(key)
    independent = trees.stack([network(k)[1] for k in jax.random.split(jax.random.key(1), 5)])
    made = {"epsilons": [0.1], "num_seeds": 2, "independent": independent}
    members = pathjax.perturbed_ensemble(key, dynamics, params, pathjax.on_sphere(), **made)
    given = labels if kind == "classes" else jax.nn.one_hot(labels, 3)
    rates = {"b0": 0.0, "b1": 1.0, "w0": 2.0, "w1": 0.5}

    def loss(p):
        outputs = predict(p, inputs)
        by_class = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        return jnp.mean(by_class if kind == "classes" else jnp.sum((outputs - given) ** 2, 1) / 2)

    measure = obs.gradient_fluctuation(predict, inputs, given, members.members, every=2, factors=rates)
    records = pathjax.rollout(
        dynamics, members, (inputs, labels), schedule(2, 32), [measure], options=pathjax.RolloutOptions(member_tile=2)
    ).records
    squares, diagonals = [], []
    for m in (0, 5, 6, 7, 8, 9):
        weights = trees.index(members.state.params, m)
        squares.append([sum(rates[name] * float(jnp.sum(g**2)) for name, g in jax.grad(loss)(weights).items())])
        diagonals.append(np.diag(dense(predict, weights, inputs, rates)))
    for name, values in (("kernel_fluctuation", diagonals), ("gradient_norm_fluctuation", squares)):
        of = lambda v: (np.var(v, axis=0, ddof=1) / np.mean(v, axis=0) ** 2).mean()  # noqa: E731
        without = [of(np.delete(values, m, axis=0)) for m in range(6)]
        np.testing.assert_allclose(records[name][0], of(values), rtol=1e-3)
        np.testing.assert_allclose(records[f"{name}_error"][0], np.std(without) * 5**0.5, rtol=1e-3)


def test_fluctuations_of_too_few_members_are_nan_or_raise():
    values = jnp.array([[1.0], [3.0], [5.0]])
    assert np.isnan(fluctuation(values, jnp.array([True, False, False]))).all()
    two, error = fluctuation(values, jnp.array([True, True, False]))
    assert two == 0.5 and np.isnan(error)
    members = pathjax.Members(np.array(["baseline", "replica", "roundoff"]), np.zeros(3), np.zeros(3))
    with pytest.raises(pathjax.InputError, match="1 members have the roles baseline, independent"):
        obs.gradient_fluctuation(predict, jnp.zeros((4, 5)), jnp.zeros(4, int), members)


def test_fluctuations_of_another_ensemble_or_mismatched_targets_raise(key):
    dynamics, params, (inputs, labels) = network(key)
    members, fewer = ensemble(dynamics, params, key), ensemble(dynamics, params, key, num_seeds=1)
    arguments = (dynamics, members, (inputs, labels), schedule(2, 32))
    for own, given, message in (
        (fewer, labels, "expects 5 members, not 7"),
        (members, inputs, r"targets of shape \(5,\) do not match outputs of shape \(3,\)"),
    ):
        measure = obs.gradient_fluctuation(predict, inputs, given, own.members, roles=("perturbed",))
        with pytest.raises(pathjax.InputError, match=message):
            pathjax.rollout(*arguments, [measure])
