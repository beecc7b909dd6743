"""Interventions have the size epsilon and change nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.intervened_networks import PLAN, batch_of, loss_fn, relu_predict
from helpers.toy_maps import network
from pathjax.core import trees
from pathjax.interventions import (
    along_curvature,
    along_gradient,
    of_batch,
    of_example,
    of_example_weight,
    of_flipped_bit,
    of_hyperparameter,
    of_label,
    of_optimizer_state,
    of_permutation,
    of_scales,
    of_ulps,
    of_weights,
)
from pathjax.symmetry import infer_scales, infer_spec


def kinds(state, examples):
    """Interventions on states: which part each changes ("params", "opt_state" or "hparams"), and by what 2-norm."""
    spec = infer_spec(relu_predict, state.params, examples[0])
    scales = infer_scales(relu_predict, spec, state.params, examples[0])
    return {
        "weights": (of_weights(pathjax.gaussian()), {"params"}, 0.25),
        "sphere": (of_weights(pathjax.on_sphere(per_leaf=False)), {"params"}, 0.25 * float(trees.norm(state.params))),
        "momentum": (of_optimizer_state(pathjax.gaussian()), {"opt_state"}, 0.25),
        "rate": (of_hyperparameter("learning_rate"), {"hparams"}, 0.25 * 0.3),
        "gradient": (along_gradient(loss_fn), {"params"}, 0.25),
        "permutation": (of_permutation(spec), {"params", "opt_state"}, None),
        "scales": (of_scales(scales), {"params"}, None),
        "bit": (of_flipped_bit(31), {"params"}, None),
        "ulps": (of_ulps(), {"params"}, None),
    }


def change(intervention, state, examples, epsilon=0.25, seed=3):
    """The changed state, compiled as in the loop."""
    return jax.jit(lambda s: intervention.on_state(jax.random.key(seed), s, batch_of(examples), jnp.float32(epsilon)))(
        state
    )


KINDS = ("weights", "sphere", "momentum", "rate", "gradient", "permutation", "scales", "bit", "ulps")


@pytest.mark.parametrize("name", KINDS)
def test_a_change_has_size_epsilon_and_moves_nothing_else(problem, name):
    _, state, examples = problem
    intervention, targets, size = kinds(state, examples)[name]
    moved = change(intervention, state, examples, epsilon=3.0 if name == "ulps" else 0.25)
    for part in ("params", "opt_state", "hparams", "step"):
        before, after = (jax.tree.leaves(getattr(s, part)) for s in (state, moved))
        same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        assert same == (part not in targets), part
    if size is not None:
        (part,) = targets
        step = trees.norm(jax.tree.map(lambda a, b: a - b, getattr(moved, part), getattr(state, part)))
        np.testing.assert_allclose(step, size, rtol=1e-5)


def test_only_one_weight_changes_and_every_weight_can_be_drawn(problem):
    _, state, examples = problem
    flat = lambda s: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(s.params)])  # noqa: E731
    hit, batch = set(), batch_of(examples)
    flip, move = (
        jax.jit(lambda s, seed, one=one: one.on_state(jax.random.key(seed), s, batch, jnp.float32(3)))
        for one in (of_flipped_bit(31), of_ulps())
    )
    for seed in range(60):
        flipped, moved = flat(flip(state, seed)), flat(move(state, seed))
        (place,) = np.flatnonzero(flipped != flat(state))
        assert flipped[place] == -flat(state)[place]
        (same,) = np.flatnonzero(moved != flat(state))
        assert same == place
        steps = moved.view(np.int32)[place].astype(int) - flat(state).view(np.int32)[place]
        assert steps == 3 and abs(moved[place]) > abs(flat(state)[place])
        hit.add(int(place))
    assert len(hit) > 30
    with pytest.raises(pathjax.InputError, match="bit must be 0 to 31"):
        change(of_flipped_bit(32), state, examples)


@pytest.mark.parametrize("name", ["permutation", "scales"])
def test_symmetries_preserve_the_function(problem, name):
    dynamics, state, examples = problem
    moved = change(kinds(state, examples)[name][0], state, examples)
    logits = [relu_predict(s.params, examples[0]) for s in (state, moved)]
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-5)
    assert trees.norm(trees.subtract(moved.params, state.params)) > 0.1
    after = [dynamics.step(s, batch_of(examples))[0] for s in (state, moved)]
    difference = np.abs(relu_predict(after[0].params, examples[0]) - relu_predict(after[1].params, examples[0])).max()
    assert (difference < 1e-5) == (name == "permutation")  # training is not invariant to scales


@pytest.mark.parametrize("optimizer", ["adam", "masked", "multi"])
def test_permuted_weights_keep_their_optimizer_state(optimizer, problem):
    _, _, examples = problem
    params = network(jax.random.key(0))[1]
    halves = {name: "ab"[i % 2] for i, name in enumerate(params)}
    made = {
        "adam": optax.adam(0.05),
        "masked": optax.masked(optax.adam(0.05), {name: half == "a" for name, half in halves.items()}),
        "multi": optax.multi_transform({"a": optax.adam(0.05), "b": optax.sgd(0.1, momentum=0.9)}, halves),
    }[optimizer]

    def loss(params, examples):
        return loss_fn({name: params[name] for name in halves}, examples)

    params = params | ({"count": jnp.int32(3)} if optimizer == "adam" else {})
    dynamics = pathjax.training_dynamics(loss, made)
    state = dynamics.init(params, {})
    step = jax.jit(dynamics.step)
    for t in range(4):
        state, _ = step(state, batch_of(examples, t))
    spec = infer_spec(lambda p, x: relu_predict({n: p[n] for n in halves}, x), state.params, examples[0])
    moved = of_permutation(spec).on_state(jax.random.key(3), state, None, None)
    for t in range(4, 8):
        state, moved = (step(s, batch_of(examples, t))[0] for s in (state, moved))
    logits = [relu_predict({n: s.params[n] for n in halves}, examples[0]) for s in (state, moved)]
    np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)
    assert float(jnp.abs(state.params[next(iter(halves))] - moved.params[next(iter(halves))]).max()) > 0.05


def test_optimizer_state_of_other_shapes_raises_instead_of_being_permuted(problem):
    _, state, examples = problem
    dynamics = pathjax.training_dynamics(loss_fn, optax.adafactor(0.1, min_dim_size_to_factor=2))
    own = dynamics.init(state.params, {})
    spec = infer_spec(relu_predict, state.params, examples[0])
    with pytest.raises(pathjax.InputError, match="matches no weight"):
        of_permutation(spec).on_state(jax.random.key(0), own, None, None)


def test_the_gradient_is_that_of_the_steps_own_batch(problem):
    _, state, examples = problem
    moved = change(along_gradient(loss_fn), state, examples, 1e-2)
    gradient = jax.grad(lambda p: loss_fn(p, batch_of(examples).examples).mean())(state.params)
    step = trees.subtract(moved.params, state.params)
    assert trees.dot(step, gradient) > 0.9999 * trees.norm(step) * trees.norm(gradient)


@pytest.mark.slow
def test_curvature_is_the_hessians_leading_direction(problem):
    _, state, examples = problem
    moved = change(along_curvature(loss_fn), state, examples, 1e-2)
    flat, unravel = jax.flatten_util.ravel_pytree(state.params)
    hessian = jax.hessian(lambda x: loss_fn(unravel(x), batch_of(examples).examples).mean())(flat)
    step = jax.flatten_util.ravel_pytree(moved.params)[0] - flat
    leading = np.linalg.eigh(hessian)[1][:, -1]
    assert abs(step @ leading) > 0.999 * np.linalg.norm(step)
    np.testing.assert_allclose(np.linalg.norm(step), 1e-2, rtol=1e-4)


def test_batches_change_in_one_example(problem):
    _, _, examples = problem
    batch = batch_of(examples)
    for seed in range(20):
        key = jax.random.key(seed)
        label = of_label(3).on_batch(key, batch, None)
        assert (label.examples[1] != batch.examples[1]).sum() == 1 and (label.examples[1] < 3).all()
        np.testing.assert_array_equal(label.examples[0], batch.examples[0])
        weight = of_example_weight().on_batch(key, batch, -0.5)
        assert sorted(set(weight.weights.tolist())) == [0.5, 1.0] and (weight.weights == 0.5).sum() == 1
        other = of_example().on_batch(key, batch, None)
        assert (other.examples[0] != batch.examples[0]).any(1).sum() <= 1
    replaced = of_batch(PLAN.indices).on_batch(None, batch, 6.0)
    np.testing.assert_array_equal(replaced.examples[0], examples[0][PLAN.indices[6]])
    np.testing.assert_array_equal(replaced.examples[1], examples[1][PLAN.indices[6]])
