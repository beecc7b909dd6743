"""Copies of the baseline that follow other orders of batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax

KEY = jax.random.key(0)


def test_copies_follow_their_own_order_and_all_others_the_first():
    x = jax.random.normal(KEY, (12, 3))
    dynamics = pathjax.training_dynamics(lambda w, x: (x @ w) ** 2, optax.sgd(0.1))
    made = {"epsilons": [0.1], "num_seeds": 2}
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(3), pathjax.on_sphere(), **made)
    ensemble = pathjax.with_orders(ensemble, 2)
    orders = [pathjax.batch_schedule(jax.random.key(i), 12, 4, num_steps=5) for i in range(3)]
    found = pathjax.rollout(dynamics, ensemble, x, pathjax.stack_schedules(orders), [pathjax.observables.weight_norm()])
    assert found.ensemble.members.role.tolist()[-2:] == ["fork", "fork"]
    assert found.ensemble.members.labels["order"].tolist() == [0, 0, 0, 0, 0, 1, 2]
    for member, order in ((0, 0), (4, 0), (5, 1), (6, 2)):
        w = ensemble.state.params[member]
        for rows in orders[order].indices:
            w = w - 0.1 * jax.grad(lambda w: jnp.mean((x[rows] @ w) ** 2))(w)  # noqa: B023
        np.testing.assert_allclose(found.ensemble.state.params[member], w, rtol=1e-5)


def test_orders_are_added_before_a_sweep():
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    one = pathjax.independent_ensemble(dynamics, jnp.ones((1, 3)))
    with pytest.raises(pathjax.InputError, match="num_orders"):
        pathjax.with_orders(one, 0)
    with pytest.raises(pathjax.InputError, match="add orders before the sweep"):
        pathjax.with_orders(pathjax.stack_ensembles([one, one]), 1)
