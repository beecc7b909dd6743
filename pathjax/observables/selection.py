"""Which leaves of a state an observable of weights measures: the weights, or those that a predicate selects."""

import jax

from pathjax.core import trees
from pathjax.core.errors import InputError
from pathjax.core.types import PyTree, State
from pathjax.tangents.propagate import Select, split_moving


def selected(state: State, select: Select | None) -> PyTree:
    """Returns the float weights of a state (or of stacked states); with `select`, its float leaves of these names."""
    if select is None:
        return trees.split_floats(state.params)[0]
    chosen = split_moving(state, select)[0]
    if not jax.tree.leaves(chosen):
        names = ", ".join(trees.leaf_names(trees.split_floats(state)[0]))
        raise InputError(f"select must choose at least one float leaf of the state, and chooses none of: {names}")
    return chosen


def leaf_dimension(select: Select | None) -> str:
    """The dimension of leaves: "leaf", which has the weights' names, is for all of them only."""
    return "leaf" if select is None else "selected_leaf"
