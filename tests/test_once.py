"""Programs compiled quickly, by whatever XLA is there."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax import once


def test_options_that_this_xla_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(once, "QUICKLY", once.QUICKLY | {"xla_cpu_of_another_age": True})
    once._understood.cache_clear()
    try:
        assert "xla_backend_optimization_level" in once._understood()
        assert "xla_cpu_of_another_age" not in once._understood()
        total = once.jit_once(lambda x: jnp.sum(x))
        assert float(total(jnp.arange(4.0))) == 6.0
        inside = jax.jit(lambda x: x * total.eval_shape(jnp.arange(4.0)).ndim)
        np.testing.assert_array_equal(inside(jnp.ones(2)), np.zeros(2))
    finally:
        once._understood.cache_clear()
