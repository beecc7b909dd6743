"""Small runs of a linear model, and what they reject."""

import jax
import jax.numpy as jnp
import pytest

import pathjax

KEY = jax.random.key(0)
INPUTS = jax.random.normal(KEY, (8, 3))
SCHEDULE = pathjax.batch_schedule(KEY, 8, batch_size=4, num_steps=5)


def mse(w, x):
    return jnp.mean((x @ w) ** 2)


def wide_mse(w, x):
    return mse(w.astype(jnp.float32), x)


def ensemble_of(optimizer, weights=None, perturbation=None, loss=mse, flags=None, **options):
    dynamics = pathjax.training_dynamics(loss, optimizer, **(flags or {}))
    weights = jnp.ones(3) if weights is None else weights
    options = {"epsilons": [0.1], "num_seeds": 1} | options
    return dynamics, pathjax.perturbed_ensemble(KEY, dynamics, weights, perturbation or pathjax.on_sphere(), **options)


def run(dynamics, ensemble, observables=(), **options):
    chosen = [pathjax.observables.weight_distance(), *observables]
    return pathjax.rollout(dynamics, ensemble, INPUTS, SCHEDULE, chosen, options=pathjax.RolloutOptions(**options))


def end(*args, **options):
    return run(*ensemble_of(*args, **options)).ensemble.state.params


def assert_rejected(match, *args, **options):
    with pytest.raises(pathjax.InputError, match=match) as error:
        end(*args, **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 420
