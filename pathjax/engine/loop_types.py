"""The data of the compiled loop: its inputs, the state carried from chunk to chunk, and its records."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Int

from pathjax.core.display import shown_in_short
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.engine.layout import Layout


class Scoped(NamedTuple):
    """One item for each observable, by who runs it: every tile (`members`); only the first tile, which has the
    baseline, and all members if it is the only tile (`shared`); or neither, but all members gathered from all tiles and
    devices (`gathered`)."""

    members: tuple
    shared: tuple
    gathered: tuple


class Group(NamedTuple):
    """Members that advance together: their states, whether each is still alive, and their observables' carries."""

    state: State
    alive: Bool[Array, " w"]
    carries: tuple[PyTree, ...]


@shown_in_short
class LoopState(NamedTuple):
    """Everything that a rollout needs to resume: the members (leading axis, padded to full tiles; each device's begin
    with its copy of the baseline), with carries of member scope; the carries of the other scopes (baseline, then
    ensemble); and the rows of the d copies of the baseline, which identify the layout."""

    members: Group
    shared: tuple[PyTree, ...]
    baselines: Int[Array, " d"]


class Records(NamedTuple):
    """Records by variable name, time first: per-member records (time, member, ...), and shared records."""

    members: dict[str, Array]
    shared: dict[str, Array]


class Inputs(NamedTuple):
    """Arrays that the loop reads: the observables' data, the dataset, and the schedule's key."""

    data: Scoped
    dataset: PyTree
    key: Array


class Program(NamedTuple):
    """Everything that is compiled, all hashable: the dynamics, the observables without their data, and the layout."""

    dynamics: Dynamics
    observables: Scoped
    layout: Layout
