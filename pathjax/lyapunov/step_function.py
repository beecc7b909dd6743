"""Checks and fingerprints of step functions; a fingerprint shows when a compiled loop no longer matches its function.

JAX caches compiled programs by function identity. A function that reads a global variable, or an attribute of its
object, can compute something else at the next call. So it is traced anew at each call (milliseconds), and the
fingerprint of the trace is part of the cache key.
"""

import hashlib
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import InputError, require
from pathjax.core.function_equality import by_value
from pathjax.core.types import PyTree

HASHED_BYTES = 2**24  # larger closed-over arrays are compared by identity


def as_partial(fn: Callable) -> jax.tree_util.Partial:
    """Returns a function, compared by what it computes, as a pytree: a `Partial` whose arrays are leaves, and so
    arguments of a program.

    >>> as_partial(as_partial(jnp.sin)).func == as_partial(jnp.sin).func
    True
    """
    held = fn if isinstance(fn, jax.tree_util.Partial) else jax.tree_util.Partial(fn)
    return jax.tree_util.Partial(by_value(held.func), *held.args, **held.keywords)


def fingerprint(fn: Callable, *args: PyTree) -> tuple[str, PyTree]:
    """Returns a digest of what `fn(*args)` computes, and the shapes and types of its result.

    >>> fingerprint(lambda x: 2 * x, 1.0)[0] == fingerprint(lambda x: 3 * x, 1.0)[0]
    False
    """
    call = jax.make_jaxpr(lambda fn, *args: fn(*args), return_shape=True)
    closed, shapes = call(as_partial(fn), *args)
    digest = hashlib.blake2b(str(closed.jaxpr).encode())
    for const in closed.consts:
        readable = isinstance(const, (np.ndarray, jax.Array)) and not isinstance(const, jax.core.Tracer)
        readable = readable and not jnp.issubdtype(const.dtype, jax.dtypes.prng_key) and const.nbytes <= HASHED_BYTES
        digest.update(np.asarray(const).tobytes() if readable else str(id(const)).encode())
    return digest.hexdigest(), shapes


def take_step(step_fn: Callable, state: PyTree, row: PyTree) -> PyTree:
    """Returns `step_fn(state)`, or `step_fn(state, row)` if it is driven.

    >>> take_step(lambda x, y: x + y, 1, 2), take_step(lambda x: 2 * x, 1, None)
    (3, 2)
    """
    return step_fn(state) if row is None else step_fn(state, row)


def check_step(step_fn: Callable, state: PyTree, xs: PyTree) -> str:
    """Traces one step, checks that it returns a state like its argument, and returns its fingerprint.

    >>> len(check_step(lambda x: 2 * x, jnp.ones(3), None))
    128
    """
    row = jax.tree.map(lambda a: a[0], xs)
    _check_arguments(step_fn, row)
    digest, after = fingerprint(step_fn, state, *(() if row is None else (row,)))
    if jax.tree.structure(after) != jax.tree.structure(state):  # type: ignore[operator]
        raise InputError(
            "step_fn must return a state with the structure of its argument, not another "
            f"({type(after).__name__}); if it returns more, as in (state, info), give lambda s, x: step_fn(s, x)[0]"
        )
    pairs = zip(trees.leaf_names(state), jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
    for name, a, b in pairs:
        require(
            (a.shape, a.dtype) == (b.shape, b.dtype),
            f"step_fn turns {a.dtype}{list(a.shape)} into {b.dtype}{list(b.shape)} (leaf '{name}'); give a state with "
            "the shapes and types that it returns",
        )
        require(
            not jnp.issubdtype(a.dtype, jnp.complexfloating),
            f"leaf '{name}' must not be complex; split it into real and imaginary parts",
        )
    return digest


def _check_arguments(step_fn: Callable, row: PyTree) -> None:
    require(callable(step_fn), f"step_fn must be a function from state to state, not {type(step_fn).__name__}")
    try:
        signature = inspect.signature(step_fn)
    except (TypeError, ValueError):  # builtins have no signature
        return
    try:
        signature.bind(*((None,) if row is None else (None, None)))
    except TypeError as error:
        wanted = "step_fn(state), since no xs are given" if row is None else "step_fn(state, x), since xs are given"
        raise InputError(f"step_fn must be callable as {wanted}: {error}") from error


def as_arrays(tree: PyTree, what: str) -> PyTree:
    """Returns the tree with all leaves converted to arrays.

    Raises:
        InputError: if a leaf cannot be converted to an array.

    >>> as_arrays({"x": 1.0}, "state")["x"].shape
    ()
    """
    try:
        return jax.tree.map(jnp.asarray, tree)
    except TypeError as error:
        raise InputError(f"{what} must be a pytree of arrays: {' '.join(str(error).split())[:120]}") from error
