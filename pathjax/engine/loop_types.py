"""The data of the compiled loop: what goes in, what is carried from chunk to chunk, and what comes out."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Int

from pathjax.core.types import Dynamics, PyTree, State
from pathjax.engine.layout import Layout


class Scoped(NamedTuple):
    """Something for each observable, by who runs it: every tile; the first one alone (it has the baseline, and all
    members where there is one tile); or none, but the whole of members gathered from all tiles and devices."""

    members: tuple
    shared: tuple
    gathered: tuple


class Group(NamedTuple):
    """Members that advance together: states, whether each still moves, and its observables' carries."""

    state: State
    alive: Bool[Array, " w"]
    carries: tuple[PyTree, ...]


class LoopState(NamedTuple):
    """All that a rollout needs to go on: the members (leading axis, padded to full tiles; those of each device begin
    with its copy of the baseline), with the carries of member scope; the carries of the other scopes (baseline, then
    ensemble); and the rows of the d copies of the baseline, which say how members were arranged."""

    members: Group
    shared: tuple[PyTree, ...]
    baselines: Int[Array, " d"]


class Records(NamedTuple):
    """What was recorded, by variable name, time first: for the members (time, member, ...), and what belongs to none
    of them."""

    members: dict[str, Array]
    shared: dict[str, Array]


class Inputs(NamedTuple):
    """Arrays that the loop reads: the observables' data, the dataset, and the schedule's key."""

    data: Scoped
    dataset: PyTree
    key: Array


class Program(NamedTuple):
    """What is compiled, all of it hashable: the map, the observables without their data, and the layout."""

    dynamics: Dynamics
    observables: Scoped
    layout: Layout
