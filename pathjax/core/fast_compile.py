"""Programs that run once, which take longer to compile than to run."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

# On a CPU: a quarter of the seconds, for a program that takes about four times as long (docs/performance.md).
QUICKLY: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@functools.cache
def _understood() -> dict[str, Any]:
    """Those of QUICKLY that this XLA knows: 0.11 has no other emitters of fusions, and rejects these options."""
    return {name: value for name, value in QUICKLY.items() if _knows({name: value})}


def _knows(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jax.ShapeDtypeStruct((), "int32")).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


class jit_fast_compile:  # noqa: N801  # it is written as jax.jit is
    """`jax.jit` for a program that runs once: compiled quickly. Arguments are positional, and it
    cannot be called within another program.

    >>> import jax.numpy as jnp
    >>> total = jit_fast_compile(lambda x: jnp.sum(x))
    >>> float(total(jnp.arange(4.0))), total.eval_shape(jnp.arange(4.0)).dtype
    (6.0, dtype('float32'))
    """

    def __init__(self, fn: Callable, static_argnames: Sequence[str] = ()):
        self._jit = functools.partial(jax.jit, fn, static_argnames=static_argnames)

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

    @functools.cached_property
    def _quickly(self):
        return self._jit(compiler_options=_understood())

    @functools.cached_property
    def _well(self):
        return self._jit()
