"""Models that carry a state: noise of members' own, tangents, symmetries, lines and interventions."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen
from jax.flatten_util import ravel_pytree

import pathjax
from pathjax import observables as obs
from pathjax.core.types import Batch, Network
from pathjax.engine.rollout import member_states
from pathjax.interventions import intervened, of_model_state, of_noise, of_permutation
from pathjax.measures.interpolation import Statistics
from pathjax.perturbations import restricted
from pathjax.symmetry import infer_spec, match_weights, permute, random_permutation
from pathjax.tangents.propagate import advance, random_tangents, split_moving, to_groups
from pathjax.training.schedule import scheduled_step

KEY = jax.random.key(0)
INPUTS, LABELS = jax.random.normal(KEY, (40, 5)), jax.random.randint(KEY, (40,), 0, 3)
SCHEDULE = pathjax.batch_schedule(KEY, 40, 10, num_steps=12)


class Normalized(linen.Module):
    """Two hidden layers with batch normalization, and dropout if `rate` is not 0."""

    rate: float = 0.0

    @linen.compact
    def __call__(self, x, train):
        for width in (8, 6):
            x = linen.BatchNorm(use_running_average=not train, momentum=0.8)(linen.Dense(width)(x))
            x = linen.Dropout(self.rate, deterministic=not train)(jnp.tanh(x))
        return linen.Dense(3)(x)


def cross_entropy(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y)


@functools.cache
def model(rate=0.0):
    """Dynamics, the network at the start, and the prediction."""
    net = Normalized(rate)
    variables = jax.jit(lambda key: net.init(key, INPUTS, False))(KEY)

    def loss_fn(params, stats, examples, key, hparams):
        given = {"params": params, "batch_stats": stats}
        logits, new = net.apply(given, examples[0], True, mutable=["batch_stats"], rngs={"dropout": key})
        return cross_entropy(logits, examples[1]) + hparams["decay"] * 0, new["batch_stats"]

    flags = {"model_state": True, "stochastic": True, "hparams_in_loss": True}
    dynamics = pathjax.training_dynamics(loss_fn, optax.sgd(0.2, momentum=0.5), **flags)
    predict = lambda params, stats, x: net.apply({"params": params, "batch_stats": stats}, x, False)  # noqa: E731
    recompute = lambda params, stats, x: after_batches(net, params, stats, x)  # noqa: E731
    return dynamics, Network(variables["params"], variables["batch_stats"]), predict, recompute


def after_batches(net, params, stats, x):
    def update(_, stats):
        return net.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])[1]["batch_stats"]

    return jax.lax.fori_loop(0, 100, update, stats)


def ensemble(dynamics, start, **options):
    options = {"epsilons": [0.05], "num_seeds": 2, "hparams": {"decay": 0.0}} | options
    return pathjax.perturbed_ensemble(KEY, dynamics, start, pathjax.on_sphere(), **options)


def end_of(result):
    return jax.tree.map(np.asarray, (result.ensemble.state.params, result.ensemble.state.model_state))


@pytest.mark.parametrize("num_devices", [2, 4])
def test_own_noise_gives_the_same_bits_on_any_number_of_devices_resumed_or_not(num_devices):
    dynamics, start, _, _ = model(0.5)
    members = pathjax.with_noise(ensemble(dynamics, start), num_members=3)
    measures = [obs.weight_distance(every=4)]

    def run(mesh=None, **more):
        options = pathjax.RolloutOptions(member_tile=2, mesh=mesh, chunk_length=4)
        return pathjax.rollout_chunks(dynamics, members, (INPUTS, LABELS), SCHEDULE, measures, options=options, **more)

    *_, alone = run()
    stopped = list(itertools.islice(run(pathjax.member_mesh(num_devices)), 2))[-1]
    *_, resumed = run(pathjax.member_mesh(num_devices), resume=(stopped.step, stopped.loop))
    *_, together = run(pathjax.member_mesh(num_devices))
    with pytest.raises(pathjax.InputError, match="the state to resume from is gone"):
        next(run(pathjax.member_mesh(num_devices), resume=(stopped.step, stopped.loop)))
    states = [member_states(members, chunk.loop) for chunk in (alone, together, resumed)]
    for other in states[1:]:
        for a, b in zip(jax.tree.leaves(states[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    weights = states[0].params["Dense_0"]["kernel"]
    assert (weights[0] == weights[1]).all() and len({leaf.tobytes() for leaf in np.asarray(weights)}) == 7


def test_the_kind_of_noise_is_an_axis_and_an_intervention():
    dynamics, start, _, _ = model(0.5)
    dynamics = intervened(dynamics, {"noise": of_noise()})
    grid = pathjax.InterventionGrid(at_steps=[4], epsilons=[1.0], num_seeds=2)
    later = pathjax.intervened_ensemble(KEY, dynamics, start, "noise", grid, hparams={"decay": 0.0})
    kinds = [pathjax.with_noise(later, shared=True), pathjax.with_noise(later)]
    swept = pathjax.stack_ensembles(kinds)
    found = pathjax.rollout(dynamics, swept, (INPUTS, LABELS), SCHEDULE, [obs.weight_distance()])
    shared, own = np.moveaxis(found.records["distance"], 1, 0)
    assert (shared[:5, 3:] == 0).all() and (shared[5:, 3:] > 0).all() and (shared[:, 1] == 0).all()
    assert (own[1:, 3:] > 0).all() and (own[:, 1] == 0).all()
    with pytest.raises(pathjax.InputError, match="make the ensemble with pathjax.with_noise"):
        pathjax.rollout(dynamics, later, (INPUTS, LABELS), SCHEDULE, [obs.weight_distance()])


def in_double(tree):
    return jax.tree.map(lambda a: a.astype(np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree)


def test_tangents_pass_through_the_models_state_as_dense_jacobians_do(x64):
    dynamics, start, _, _ = model(0.5)
    state = dynamics.init(in_double(start), {"decay": 0.0})
    step_fn, rows = scheduled_step(dynamics, in_double((INPUTS, LABELS)), SCHEDULE)
    moving, rest = split_moving(state)
    names = set(moving.model_state["BatchNorm_0"])
    assert names == {"mean", "var"} and moving.hparams == {"decay": None}
    tangents = random_tangents(KEY, state, 3)._replace(model_state=in_double(start.model_state))
    tangents = jax.tree.map(lambda a, b: jnp.ones((3, *a.shape)) if b.shape == a.shape else b, moving, tangents)
    matrix = np.stack([ravel_pytree(jax.tree.map(lambda a, i=i: a[i], tangents))[0] for i in range(3)], 1)
    groups = to_groups(tangents)
    flat, unravel = ravel_pytree(moving)

    @jax.jit
    def whole(flat, rest, row):
        merged = jax.tree.map(lambda a, b: b if a is None else a, unravel(flat), rest, is_leaf=lambda x: x is None)
        return ravel_pytree(split_moving(step_fn(merged, row))[0])[0]

    dense = jax.jit(jax.jacfwd(whole))
    push = jax.jit(lambda state, groups, row: advance(lambda s: step_fn(s, row), state, groups))
    for t in range(3):
        row = jax.tree.map(lambda a, t=t: a[t], rows)
        moving, rest = split_moving(state)
        matrix = np.asarray(dense(ravel_pytree(moving)[0], rest, row)) @ matrix
        state, groups = push(state, groups, row)
    (found,) = groups
    for i in range(3):
        own = ravel_pytree(jax.tree.map(lambda a, i=i: a[i], found))[0]
        np.testing.assert_allclose(own, matrix[:, i], rtol=1e-10, atol=1e-10 * np.abs(matrix).max())
    assert np.abs(jax.tree.leaves(found.model_state)[0]).max() > 0


@pytest.mark.slow
def test_finite_differences_agree_with_tangents_of_a_rollout(x64):
    dynamics, start, predict, _ = model()
    directions = pathjax.perturbation_directions(KEY, pathjax.on_sphere(), in_double(start).params, 2)
    members = ensemble(dynamics, in_double(start), epsilons=[1e-6])
    measures = [obs.weight_distance(), obs.linear_response(dynamics, directions), obs.lyapunov(KEY, dynamics, 2)]
    found = pathjax.rollout(dynamics, members, in_double((INPUTS, LABELS)), SCHEDULE, measures).records
    np.testing.assert_allclose(found["distance"][:, 3:] / 1e-6, found["tangent_norm"], rtol=1e-4)


@functools.cache
def trained():
    """Two BatchNorm networks at the end of training, from other weights."""
    dynamics, start, predict, recompute = model()
    other = jax.jit(lambda key: Normalized().init(key, INPUTS, False))(jax.random.key(7))
    pair = [start, Network(other["params"], other["batch_stats"])]
    schedule = pathjax.batch_schedule(KEY, 40, 10, num_steps=100)
    step_fn, rows = scheduled_step(dynamics, (INPUTS, LABELS), schedule)
    run = jax.jit(lambda s: jax.lax.scan(lambda s, row: (step_fn(s, row), None), s, rows)[0])
    states = [run(dynamics.init(one, {"decay": 0.0})) for one in pair]
    return [Network(one.params, one.model_state) for one in states]


def test_planted_permutations_of_batch_norm_networks_are_recovered_and_keep_the_function():
    _, _, predict, _ = model()
    a, other = trained()
    spec = infer_spec(predict, a, INPUTS[:2])
    assert sorted(spec.sizes.values()) == [6, 8]
    assert spec.axes["model_state/BatchNorm_0/mean"] == spec.axes["params/BatchNorm_0/scale"]
    for seed in range(5):
        planted = random_permutation(jax.random.key(seed), spec)
        moved = permute(spec, planted, a)
        np.testing.assert_allclose(predict(*moved, INPUTS), predict(*a, INPUTS), rtol=1e-5, atol=1e-5)
        found = match_weights(spec, a, moved).permutation
        for group, permutation in found.items():
            assert np.asarray(planted[group])[permutation].tolist() == list(range(spec.sizes[group]))
        back = permute(spec, found, moved)
        jax.tree.map(np.testing.assert_array_equal, back, a)
    aligned = permute(spec, match_weights(spec, a, other).permutation, other)
    np.testing.assert_allclose(predict(*aligned, INPUTS), predict(*other, INPUTS), rtol=1e-5, atol=1e-5)


def test_lines_between_batch_norm_networks_have_no_barrier_once_aligned_and_recomputed():
    dynamics, _, predict, recompute = model()
    a, other = trained()
    spec = infer_spec(predict, a, INPUTS[:2])
    planted = permute(spec, random_permutation(KEY, spec), a)
    others = jax.tree.map(lambda *leaves: jnp.stack(leaves), planted, other)
    sets, statistics = {"test": (INPUTS, LABELS)}, Statistics(recompute, INPUTS)
    members = ensemble(dynamics, a, independent=others)
    schedule = pathjax.batch_schedule(KEY, 40, 10, num_steps=1)
    measures = [
        obs.linear_connectivity(predict, sets, num_points=5, statistics=statistics),
        obs.alignment(spec, predict, INPUTS, sets=sets, num_points=5, statistics=statistics),
    ]
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, measures).records
    assert found["test_barrier"][0, 5] > 0.1 and found["aligned_test_barrier"][0, 5] < 1e-4
    assert found["aligned_distance"][0, 5] == 0 and (found["invariance_error"][0] < 1e-4).all()
    # In the middle: the loss of averaged weights, with the statistics of a pass over the examples.
    middle = jax.tree.map(lambda x, y: (x + y) / 2, a.params, other.params)
    stats = recompute(middle, a.model_state, INPUTS)
    expected = cross_entropy(predict(middle, stats, INPUTS), LABELS).mean()
    np.testing.assert_allclose(found["test_line_loss"][0, 6, 2], expected, rtol=1e-3)


def test_functions_are_compared_in_evaluation_mode_at_each_members_state():
    dynamics, start, predict, _ = model()
    members = ensemble(dynamics, start)
    sets = {"test": (INPUTS, LABELS)}
    measures = [obs.classification(predict, sets, every=4), obs.function_gram(predict, INPUTS, 5, every=4)]
    measures += [
        obs.function_autocorrelation(predict, INPUTS, every=4),
        obs.tangent_kernel(predict, INPUTS, LABELS, every=4),
    ]
    measures += [obs.function_space_lyapunov(KEY, dynamics, predict, INPUTS, every=4)]
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, measures)
    end = found.ensemble.state
    for m in range(5):
        params, stats = jax.tree.map(lambda a, m=m: a[m], (end.params, end.model_state))
        expected = cross_entropy(predict(params, stats, INPUTS), LABELS).mean()
        np.testing.assert_allclose(found.records["test_loss"][-1, m], expected, rtol=1e-5)
    assert np.isfinite(found.records["function_gram"]).all() and (found.records["kernel_distance"][:, 1] == 0).all()


def test_the_models_state_is_not_perturbed_but_intervened_on():
    dynamics, start, _, _ = model()
    members = ensemble(dynamics, start)
    for leaf in jax.tree.leaves(members.state.model_state):
        assert (leaf == leaf[:1]).all()
    kick = {"kick": of_model_state(restricted(pathjax.gaussian(), "mean")), "turn": of_permutation(spec_of(start))}
    dynamics = intervened(dynamics, kick)
    grid = pathjax.InterventionGrid(at_steps=[3], epsilons=[0.5], num_seeds=1)
    members = pathjax.intervened_ensemble(KEY, dynamics, start, "kick", grid, hparams={"decay": 0.0})
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, [obs.weight_distance()])
    after = found.ensemble.state
    assert abs(float(after.interventions["kick"].moved[3]) - 0.5) < 1e-5
    # Training does not read the running means, so weights stay equal; the means forget it by .8 at each of 9 steps.
    assert (found.records["distance"][:, 3] == 0).all()
    moved = [jnp.sum((leaf[3] - leaf[0]) ** 2) for leaf in jax.tree.leaves(after.model_state)]
    np.testing.assert_allclose(sum(moved) ** 0.5, 0.5 * 0.8**9, rtol=1e-4)


def test_distances_of_selected_leaves_are_those_of_the_state():
    dynamics, start, _, _ = model()
    chosen = {"select": lambda name: name.startswith("model_state"), "prefix": "stats_"}
    kinds = [obs.weight_distance, obs.weight_norm, obs.weight_angle, lambda **o: obs.norm_distance(1, **o)]
    measures = [kind(every=12, **options) for kind in kinds for options in ({}, chosen)]
    found = pathjax.rollout(dynamics, ensemble(dynamics, start), (INPUTS, LABELS), SCHEDULE, measures)
    end = found.ensemble.state
    for prefix, tree in (("", end.params), ("stats_", end.model_state)):
        flat = np.concatenate([np.asarray(leaf, np.float64).reshape(5, -1) for leaf in jax.tree.leaves(tree)], 1)
        away = flat - flat[:1]
        expected = {
            "distance": np.linalg.norm(away, axis=1),
            "weight_norm": np.linalg.norm(flat, axis=1),
            "distance_p1": np.abs(away).sum(1),
            "cosine": flat @ flat[0] / np.linalg.norm(flat, axis=1) / np.linalg.norm(flat[0]),
        }
        for name, values in expected.items():
            np.testing.assert_allclose(found.records[prefix + name][-1], values, rtol=1e-4, atol=1e-6)


def spec_of(start):
    return infer_spec(model()[2], start, INPUTS[:2])


def test_a_permutation_moves_statistics_and_momentum_along():
    dynamics, start, predict, _ = model()
    dynamics = intervened(dynamics, {"turn": of_permutation(spec_of(start))})
    grid = pathjax.InterventionGrid(at_steps=[3], epsilons=[1.0], num_seeds=1)
    members = pathjax.intervened_ensemble(KEY, dynamics, start, "turn", grid, hparams={"decay": 0.0})
    end = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, [obs.weight_distance()]).ensemble.state
    one, other = (jax.tree.map(lambda a, m=m: a[m], (end.params, end.model_state)) for m in (0, 3))
    assert not np.allclose(one[0]["Dense_0"]["kernel"], other[0]["Dense_0"]["kernel"], atol=1e-3)
    np.testing.assert_allclose(predict(*other, INPUTS), predict(*one, INPUTS), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_derivatives_pass_through_the_models_state(x64):
    dynamics, start, predict, _ = model()
    state = dynamics.init(in_double(start), {"decay": 0.0})
    examples = in_double((INPUTS, LABELS))
    readout = lambda params, stats: cross_entropy(predict(params, stats, examples[0]), LABELS).mean()  # noqa: E731
    drawn = pathjax.perturbation_directions(KEY, pathjax.gaussian(), state.params, 1)
    wrt = {"w": pathjax.derivatives.direction(jax.tree.map(lambda a: a[0], drawn))}
    found = pathjax.sensitivity(dynamics, state, examples, SCHEDULE, wrt, readout=readout)
    np.testing.assert_allclose(found.readout_derivative[-1], found.readout_difference[-1], rtol=1e-5)
    influence = pathjax.derivatives.example_influence(dynamics, state, examples, SCHEDULE, readout)
    assert influence.shape == (12, 10) and np.isfinite(influence).all()


def test_a_step_with_a_state_equals_its_definition():
    dynamics, start, _, _ = model()
    state = dynamics.init(start, {"decay": 0.0})
    batch = Batch((INPUTS[:10], LABELS[:10]), None, KEY)
    after, info = dynamics.step(state, batch)
    net = Normalized()
    given = {"params": start.params, "batch_stats": start.model_state}
    logits, new = net.apply(given, INPUTS[:10], True, mutable=["batch_stats"])
    np.testing.assert_allclose(info.loss, cross_entropy(logits, LABELS[:10]).mean(), rtol=1e-6)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), after.model_state, new["batch_stats"])
