"""The gradient that one pattern causes, in closed form and by differences."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from pathjax import observables as obs

KEY = jax.random.key(0)


def test_the_contrast_is_that_of_the_gradients_of_softmax_regression():
    x, other = (jax.random.normal(key, (20, 3)) for key in jax.random.split(KEY))
    y = jnp.arange(20) % 2
    dynamics = pathjax.training_dynamics(lambda w, x: (x @ w).sum(-1), optax.sgd(0.0))
    networks = jax.random.normal(KEY, (2, 3, 2))
    ensemble = pathjax.independent_ensemble(dynamics, networks)
    schedule = pathjax.batch_schedule(KEY, 20, 5, num_steps=1)
    measured = obs.gradient_contrast(lambda w, x: x @ w, {"c": ((x, y), (other, y))})
    found = pathjax.rollout(dynamics, ensemble, x, schedule, [measured]).records["c_gradient"][0]

    def gradient(w, x):  # X' (softmax - one-hot) / n
        return x.T @ (jax.nn.softmax(x @ w) - jax.nn.one_hot(y, 2)) / len(x)

    for member, w in enumerate(networks):
        np.testing.assert_allclose(found[member], jnp.linalg.norm(gradient(w, x) - gradient(w, other)), rtol=1e-5)
