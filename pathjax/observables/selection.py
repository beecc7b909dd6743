"""Which leaves of a state an observable of weights measures: the weights, or those that a predicate selects."""

from typing import NamedTuple

import jax

from pathjax.core import trees
from pathjax.core.calls import call
from pathjax.core.errors import InputError, require
from pathjax.core.types import PyTree, State
from pathjax.tangents.propagate import Select, split_moving


def selected(state: State, select: Select | None) -> PyTree:
    """Returns the float weights of a state (or of stacked states); with `select`, its float leaves of these names.

    Raises:
        InputError: if `select` is not a predicate, or chooses no float leaf.
    """
    if select is None:
        return trees.split_floats(state.params)[0]
    hint = "it takes the name of a leaf, such as 'params/Dense_0/kernel', and returns True or False"
    require(callable(select), f"select must be a function, not {select!r}: {hint}")

    def chosen(name: str) -> bool:
        answer = call(f"select('{name}')", hint, select, name)
        require(answer in (True, False), f"select('{name}') returned {answer!r}: {hint}")
        return bool(answer)

    found = split_moving(state, chosen)[0]
    if not jax.tree.leaves(found):
        names = ", ".join(trees.leaf_names(trees.split_floats(state)[0]))
        raise InputError(f"select must choose at least one float leaf of the state, and chooses none of: {names}")
    return found


class Selection(NamedTuple):
    """What an observable of weights measures, as its records say it: in words, the name of the dimension of leaves, and
    the labels of that dimension."""

    words: str
    leaf: str
    coords: tuple


def selection(select: Select | None, prefix: str) -> Selection:
    """Returns how records describe the leaves that they measure.

    >>> selection(None, "").leaf, selection(lambda name: True, "own_").leaf
    ('leaf', 'own_leaf')
    """
    require(isinstance(prefix, str), f"prefix must begin the names of records, as text, not {prefix!r}")
    if select is None:
        return Selection("weights", "leaf", ())  # labeled by the ensemble itself
    leaf = f"{prefix or 'selected_'}leaf"
    return Selection("selected leaves", leaf, ((leaf, lambda state: trees.leaf_names(selected(state, select))),))
