"""Models that carry a state: their step, tangents, derivatives and interventions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import pathjax
from pathjax import observables as obs
from pathjax.core.types import Batch
from pathjax.interventions import intervened, of_model_state, of_permutation
from pathjax.perturbations import restricted
from pathjax.tangents.propagate import advance, random_tangents, split_moving, to_groups
from pathjax.training.schedule import scheduled_step
from tests.helpers.batch_norm import (
    INPUTS,
    KEY,
    LABELS,
    SCHEDULE,
    Normalized,
    cross_entropy,
    ensemble,
    in_double,
    model,
    spec_of,
)


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


@pytest.mark.slow
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
