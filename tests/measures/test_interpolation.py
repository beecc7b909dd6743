"""Lines between networks: barriers compared with brute force, before and after matching units."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

import pathjax
from helpers.compiling import COMPILED_WELL
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.core import trees
from pathjax.measures.interpolation import barrier, integral, interpolate
from pathjax.symmetry import infer_spec, permute, random_permutation

obs = pathjax.observables


def brute_force(a, b, examples, num_points):
    """Losses and accuracies along the line in NumPy, one network after the other."""
    x, y = (np.asarray(part) for part in examples)
    losses, accuracies = [], []
    for alpha in np.linspace(0, 1, num_points):
        w = {name: (1 - alpha) * np.asarray(a[name], float) + alpha * np.asarray(b[name], float) for name in a}
        logits = np.tanh(x @ w["w0"] + w["b0"]) @ w["w1"] + w["b1"]
        losses.append(-log_softmax(logits, 1)[np.arange(len(y)), y].mean())
        accuracies.append((logits.argmax(1) == y).mean())
    return np.array(losses), np.array(accuracies)


@pytest.mark.slow
def test_barriers_agree_with_a_brute_force_scan(x64, key):
    dynamics, params, examples = network(key)
    params, examples = jax.tree.map(lambda w: w.astype(float), params), (examples[0].astype(float), examples[1])
    members = ensemble(dynamics, params, key, epsilons=(1.5,), num_seeds=3)
    measure = obs.linear_connectivity(predict, {"test": examples}, every=5, num_points=21)
    result = pathjax.rollout(
        dynamics, members, examples, schedule(5, 32), [measure], options=pathjax.RolloutOptions(member_tile=2)
    )
    for m in range(1, 6):
        ends = (trees.index(result.ensemble.state.params, i) for i in (0, m))
        losses, accuracies = brute_force(*ends, examples, 21)
        np.testing.assert_allclose(result.records["test_line_loss"][-1, m], losses, rtol=1e-9)
        chord = losses[0] + np.linspace(0, 1, 21) * (losses[-1] - losses[0])
        np.testing.assert_allclose(result.records["test_barrier"][-1, m], (losses - chord).max(), atol=1e-12)
        mean = ((losses[1:] + losses[:-1]) / 2).mean()
        np.testing.assert_allclose(result.records["test_line_integral"][-1, m], mean, rtol=1e-9)
        chord = accuracies[0] + np.linspace(0, 1, 21) * (accuracies[-1] - accuracies[0])
        np.testing.assert_allclose(
            result.records["test_accuracy_barrier"][-1, m], (chord - accuracies).max(), atol=1e-9
        )
        mean = ((accuracies[1:] + accuracies[:-1]) / 2).mean()
        np.testing.assert_allclose(result.records["test_line_accuracy_integral"][-1, m], mean, rtol=1e-9)
    # Exact with the compiler options of users; compiled fast, the points of a line are rounded differently.
    replica = result.records["test_barrier"][:, 1]
    assert (replica == 0).all() if COMPILED_WELL else (abs(replica) < 1e-15).all()


def test_a_barrier_is_relative_to_the_chord_and_at_least_0():
    assert barrier(jnp.array([0.0, 1.0, 2.0])) == 0 and barrier(jnp.array([1.0, 0.0, 1.0])) == 0
    assert barrier(jnp.array([0.0, 3.0, 2.0])) == 2 and integral(jnp.array([0.0, 3.0, 2.0])) == 2
    for num_points in (1, 3.0):
        with pytest.raises(pathjax.InputError, match="num_points must be an integer of 2 or more"):
            obs.linear_connectivity(predict, {}, num_points=num_points)
    for measure in (barrier, integral):
        with pytest.raises(pathjax.InputError, match="at least 2 values, not 1"):
            measure(jnp.ones(1))


def test_the_ends_of_a_line_are_bitwise_exact(key):
    a, b = ({"w": jax.random.normal(k, (50,)), "count": i} for i, k in enumerate(jax.random.split(key)))
    for alpha, end in ((0.0, a), (1.0, b)):
        np.testing.assert_array_equal(interpolate(a, b, alpha)["w"], end["w"])
    assert interpolate(a, b, 1.0)["count"] == 0


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"member_tile": 1},
        pytest.param({"member_tile": 2, "mesh": pathjax.member_mesh(3)}, marks=pytest.mark.slow),
    ],
)
def test_matching_undoes_a_permutation_inside_the_loop(key, options):
    dynamics, params, examples = network(key, optimizer=optax.sgd(0.0), sizes=(5, 12, 3))
    spec = infer_spec(lambda w, x: jnp.tanh(x @ w["w0"] + w["b0"][None]) @ w["w1"] + w["b1"][None], params, examples[0])
    members = ensemble(dynamics, params, key, epsilons=(0.01,), num_seeds=2)
    leaves = members.state.params
    other = permute(spec, random_permutation(key, spec), trees.index(leaves, 4))
    moved = jax.tree.map(lambda all_, one: all_.at[4].set(one), leaves, other)
    members = members._replace(state=members.state._replace(params=moved))
    sets = {"test": examples}

    def hidden(w, x):
        return {"P0": jnp.tanh(x @ w["w0"] + w["b0"][None])}

    measures = [
        obs.weight_distance(every=2),
        obs.linear_connectivity(predict, sets, every=2),
        obs.alignment(spec, predict, examples[0], every=2, sets=sets),
        obs.activation_alignment(spec, predict, hidden, examples[0], every=2, sets=sets),
    ]
    records = pathjax.rollout(
        dynamics, members, examples, schedule(2, 32), measures, options=pathjax.RolloutOptions(**options)
    ).records
    before = trees.norm(trees.subtract(trees.index(leaves, 4), params))
    np.testing.assert_allclose(records["aligned_distance"][:, 4], before, rtol=1e-4)
    assert (records["distance"][:, 4] > 20 * before).all() and (records["units_moved"][:, 4] > 0.5).all()
    assert (records["permutation_share"][:, 4] > 0.95).all() and (records["units_moved"][:, :4] == 0).all()
    assert (records["aligned_distance"][:, 1] == 0).all() and (records["permutation_share"][:, :4] == 0).all()
    for prefix in ("", "activation_"):
        assert (records[f"{prefix}invariance_error"] < 1e-5).all()
    for name in ("aligned_distance", "units_moved"):  # at this epsilon, activations match as well as weights
        np.testing.assert_array_equal(records[f"activation_{name}"], records[name])
    prefixes = ("", "aligned_", "activation_aligned_")
    ranges = [np.ptp(records[f"{prefix}test_line_loss"][-1, 4]) for prefix in prefixes]
    assert ranges[0] > 5 * ranges[1] == 5 * ranges[2]


def test_matching_by_activations_needs_those_of_all_groups(key):
    dynamics, params, examples = network(key)
    spec = infer_spec(predict, params, examples[0])
    members = ensemble(dynamics, params, key)
    for found in ({}, {"P0": examples[0]}):
        measure = obs.activation_alignment(spec, predict, lambda p, x, found=found: found, examples[0], every=2)
        with pytest.raises(pathjax.InputError, match="activations must have the units of all groups, {'P0': 7}"):
            pathjax.rollout(dynamics, members, examples, schedule(2, 32), [measure])
