"""Programs compiled quickly, by whatever XLA is there."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import fast_compile


def test_options_that_this_xla_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(fast_compile, "QUICKLY", fast_compile.QUICKLY | {"xla_cpu_of_another_age": True})
    fast_compile._understood.cache_clear()
    try:
        assert "xla_backend_optimization_level" in fast_compile._understood()
        assert "xla_cpu_of_another_age" not in fast_compile._understood()
        total = fast_compile.jit_fast_compile(lambda x: jnp.sum(x))
        assert float(total(jnp.arange(4.0))) == 6.0
        inside = jax.jit(lambda x: x * total.eval_shape(jnp.arange(4.0)).ndim)
        np.testing.assert_array_equal(inside(jnp.ones(2)), np.zeros(2))
    finally:
        fast_compile._understood.cache_clear()
