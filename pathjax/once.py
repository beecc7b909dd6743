"""Programs that run once, which take longer to compile than to run."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

# On a CPU: a quarter of the seconds, for a program that takes about four times as long (docs/performance.md).
QUICKLY: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


class jit_once:  # noqa: N801  # it is written as jax.jit is
    """`jax.jit` for a program that runs once: compiled quickly. Arguments are positional, and it
    cannot be called within another program.

    >>> import jax.numpy as jnp
    >>> total = jit_once(lambda x: jnp.sum(x))
    >>> float(total(jnp.arange(4.0))), total.eval_shape(jnp.arange(4.0)).dtype
    (6.0, dtype('float32'))
    """

    def __init__(self, fn: Callable, static_argnames: Sequence[str] = ()):
        self._quickly = jax.jit(fn, static_argnames=static_argnames, compiler_options=QUICKLY)
        self._well = jax.jit(fn, static_argnames=static_argnames)

    def __call__(self, *args):
        """The function's result."""
        return self._way()(*args)

    def eval_shape(self, *args):
        """Shapes and types of the result."""
        return self._way().eval_shape(*args)

    def trace(self, *args):
        """The traced program, as of `jax.jit`."""
        return self._way().trace(*args)

    def _way(self):
        return self._quickly if jax.default_backend() == "cpu" else self._well
