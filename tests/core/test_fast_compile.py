"""Fast compilation with any version of XLA."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import fast_compile


def test_options_that_this_xla_does_not_support_are_left_out(monkeypatch):
    monkeypatch.setattr(fast_compile, "FAST_OPTIONS", fast_compile.FAST_OPTIONS | {"xla_cpu_unknown_option": True})
    fast_compile._supported_options.cache_clear()
    try:
        assert "xla_backend_optimization_level" in fast_compile._supported_options()
        assert "xla_cpu_unknown_option" not in fast_compile._supported_options()
        total = fast_compile.jit_fast_compile(lambda x: jnp.sum(x))
        assert float(total(jnp.arange(4.0))) == 6.0
        inside = jax.jit(lambda x: x * total.eval_shape(jnp.arange(4.0)).ndim)
        np.testing.assert_array_equal(inside(jnp.ones(2)), np.zeros(2))
    finally:
        fast_compile._supported_options.cache_clear()
