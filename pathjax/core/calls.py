"""Calls of users' functions while a program is traced: any exception becomes an `InputError` of one line."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pathjax.core.errors import InputError, require
from pathjax.core.types import PyTree

MAX_LENGTH = 200  # characters of the exception's message; those of JAX have many lines


def call(what: str, hint: str, fn: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls a user's function.

    Args:
        what: names the call in the message, as in "loss_fn(params, examples)".
        hint: what to do about an exception.
        fn: the function, followed by its arguments.

    Returns:
        The function's result.

    Raises:
        InputError: if the function raises any other exception, which stays the error's cause.

    >>> call("double(x)", "pass a number", lambda x: 2 * x, 3)
    6
    >>> try:
    ...     call("double(x)", "pass a number", lambda x: 2 * x, None)
    ... except InputError as error:
    ...     print(error)
    double(x) failed (TypeError: unsupported operand type(s) for *: 'int' and 'NoneType'): pass a number
    """
    try:
        return fn(*args, **kwargs)
    except InputError:
        raise
    except Exception as error:
        line = " ".join(str(error).split())[:MAX_LENGTH].removesuffix(".")
        raise InputError(f"{what} failed ({type(error).__name__}: {line}): {hint}") from error


def check_same_kind(what: str, before: PyTree, after: PyTree) -> None:
    """Checks that a function keeps structure, shapes and types, as a compiled loop must.

    Args:
        what: begins the message, as in "loss_fn changed model_state".
        before, after: trees of arrays or shapes.

    Raises:
        InputError: naming the first leaf that differs.

    >>> check_same_kind("fn changed x", jnp.ones(2), jnp.zeros(2))
    """
    structures: list[Any] = [jax.tree.structure(tree) for tree in (before, after)]
    shown = [str(one).removeprefix("PyTreeDef")[:80] for one in structures]
    require(structures[0] == structures[1], f"{what} from the structure {shown[0]} to {shown[1]}: keep it")
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        kinds = [f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}" for leaf in (old, new)]
        require(kinds[0] == kinds[1], f"{what}{f' at {name!r}' if name else ''} from {kinds[0]} to {kinds[1]}: keep it")
