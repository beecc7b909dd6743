"""Products, preconditioning and traces against matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import pathjax
from helpers.dense_hessians import problem
from pathjax.core.errors import InputError
from pathjax.curvature import (
    adam_preconditioner,
    estimate_trace,
    gradient_covariance,
    hessian,
    leading_eigenpairs,
    precondition,
)

SMALL = "MLP, tanh"


def matrix_of(product, like):
    """The matrix of a product, column by column."""
    flat, unravel = ravel_pytree(like)
    columns = jax.jit(jax.vmap(lambda v: ravel_pytree(product(unravel(v)))[0]))(jnp.eye(flat.size))
    return np.asarray(columns, np.float64).T


def test_errors_of_traces_are_those_of_repetitions():
    params, losses, examples, dense = problem(SMALL)
    product = hessian(lambda w: losses(w, examples).mean(), params)
    keys = jax.random.split(jax.random.key(2), 300)
    found = jax.lax.map(lambda key: estimate_trace(key, product, params, 20), keys)
    scores = (np.asarray(found.value) - np.trace(dense)) / np.asarray(found.error)
    assert 0.9 < scores.std() < 1.25 and abs(scores.mean()) < 0.25


def test_the_covariance_is_that_of_the_gradients_of_single_examples():
    params, losses, examples, _ = problem(SMALL)
    one = jax.vmap(jax.grad(lambda w, x, y: losses(w, (x[None], y[None]))[0]), (None, 0, 0))
    gradients = np.asarray(jax.vmap(lambda g: ravel_pytree(g)[0])(one(params, *examples)), np.float64)
    expected = np.cov(gradients.T, bias=True)
    product = gradient_covariance(lambda w: losses(w, examples), params)
    np.testing.assert_allclose(matrix_of(product, params), expected, atol=1e-6 * np.abs(expected).max())


def test_preconditioning_gives_the_eigenvalues_of_the_quotient():
    params, losses, examples, dense = problem(SMALL)
    diagonal = jax.tree.map(lambda w: 0.5 + jnp.abs(w), params)
    product = precondition(hessian(lambda w: losses(w, examples).mean(), params), diagonal)
    expected = np.linalg.eigvals(dense / np.asarray(ravel_pytree(diagonal)[0])[:, None]).real
    pairs = leading_eigenpairs(jax.random.key(0), product, params, 3)
    np.testing.assert_allclose(pairs.values, np.sort(expected)[::-1][:3], rtol=1e-3)


@pytest.mark.parametrize(
    "optimizer", [optax.adam(0.1), optax.chain(optax.clip(1.0), optax.adamw(0.1))], ids=["adam", "chained"]
)
def test_the_metric_of_adam_is_what_its_step_divides_by(optimizer):
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(jnp.array([1.0, -0.3]) * w), optimizer)
    state = dynamics.init(jnp.zeros(2), {})
    assert jnp.isnan(adam_preconditioner()(state)).all()
    for _ in range(5):
        state, info = dynamics.step(state, pathjax.Batch(None, None, jax.random.key(0)))
    # Gradients are constant, so that the mean of their squares is their square.
    np.testing.assert_allclose(adam_preconditioner()(state), np.abs(info.gradients), rtol=1e-4)


def test_other_optimizers_have_no_metric():
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w), optax.sgd(0.1))
    with pytest.raises(InputError, match="the optimizer has 0 states with second moments: give the dynamics of one"):
        adam_preconditioner()(dynamics.init(jnp.zeros(2), {}))


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"needs the loss of each example, not shape \(\): return shape \(n,\)"):
        gradient_covariance(lambda w: jnp.sum(w), jnp.zeros(2))
    with pytest.raises(InputError, match="num_probes must be 2 or more, not 1"):
        estimate_trace(jax.random.key(0), lambda v: v, jnp.zeros(2), 1)
