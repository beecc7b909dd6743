"""Leaves chosen by a regular expression, searched for in their names."""

import re
from collections.abc import Callable

import jax

from pathjax.core import trees
from pathjax.core.errors import InputError, require
from pathjax.core.types import PyTree


def leaves_matching(pattern: str) -> Callable[[PyTree], tuple[bool, ...]]:
    """Returns a function from a tree to whether each of its leaves matches, in the order of `jax.tree.leaves`.

    Raises:
        InputError: for an invalid pattern; when called, for a pattern that matches no float leaf of the tree.

    >>> leaves_matching("bias$")({"bias": 1.0, "kernel": 2.0})
    (True, False)
    """
    try:
        found = re.compile(pattern).search
    except re.error as error:
        raise InputError(f"'{pattern}' is not a valid regular expression ({error}); expected e.g. 'kernel$'") from error

    def marks(tree: PyTree) -> tuple[bool, ...]:
        named = zip(trees.leaf_names(tree), jax.tree.leaves(tree), strict=True)
        found_in = {name: bool(found(name)) for name, leaf in named if trees.is_float(leaf)}
        names = ", ".join(found_in)
        require(any(found_in.values()), f"pattern '{pattern}' matches no leaf name: choose from {names}")
        return tuple(found_in.get(name, False) for name in trees.leaf_names(tree))

    return marks
