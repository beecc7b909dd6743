"""Fast compilation of programs that run once and take longer to compile than to run."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from pathjax.core.types import PyTree

# On a CPU, compilation takes a quarter of the time and the program runs about four times as long (docs/performance.md).
FAST_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@functools.cache
def _supported_options() -> dict[str, Any]:
    """The FAST_OPTIONS that this XLA supports: jax 0.11 has a single kind of fusion emitters and rejects these."""
    return {name: value for name, value in FAST_OPTIONS.items() if _supports({name: value})}


def _supports(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jax.ShapeDtypeStruct((), "int32")).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


class jit_fast_compile:  # noqa: N801  # lowercase like jax.jit
    """`jax.jit` for a program that runs once: it compiles fast. Arguments are positional, and it
    cannot be called inside another jitted function.

    >>> import jax.numpy as jnp
    >>> total = jit_fast_compile(lambda x: jnp.sum(x))
    >>> float(total(jnp.arange(4.0))), total.eval_shape(jnp.arange(4.0)).dtype
    (6.0, dtype('float32'))
    """

    def __init__(self, fn: Callable, static_argnames: Sequence[str] = ()):
        self._jit = functools.partial(jax.jit, fn, static_argnames=static_argnames)

    def __call__(self, *args):
        """Returns the function's result."""
        return self._jitted()(*args)

    def eval_shape(self, *args) -> PyTree:
        """Returns shapes and types of the result."""
        return self._jitted().eval_shape(*args)

    def trace(self, *args) -> jax.stages.Traced:
        """Returns the traced program, like `jax.jit(fn).trace`."""
        return self._jitted().trace(*args)

    def _jitted(self):
        return self._fast if jax.default_backend() == "cpu" else self._optimized

    @functools.cached_property
    def _fast(self):
        return self._jit(compiler_options=_supported_options())

    @functools.cached_property
    def _optimized(self):
        return self._jit()
