"""The data that pathjax passes around: NamedTuples and aliases, no behavior.

Dimension names used in shapes: T steps, B examples a batch, M members, D weights, k tangents.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Key

from pathjax.core.function_equality import compares_by_value

PyTree = Any
Scope = Literal["baseline", "member", "ensemble"]


class Batch(NamedTuple):
    """What one step sees beside the state; the same for every member.

    `examples` is the dataset's pytree gathered at B indices, `weights` the examples' weights (None: all 1), and
    `key` the randomness of this step (dropout, augmentation), which belongs to the schedule and so is shared.
    `dataset` is what the examples were taken from, and `step` the number of the step, for what looks at others than
    those; they cost nothing.
    """

    examples: PyTree
    weights: Float[Array, " B"] | None
    key: Key[Array, ""]
    dataset: PyTree = None
    step: Int[Array, ""] | None = None


class InterventionState(NamedTuple):
    """What is on an intervention's books for one member: it happens before the steps from `at_step` (-1: never) until
    `until`, with the size `epsilon`, and with randomness of its own that comes from `seed`; `moved` is how far it went
    so far."""

    at_step: Int[Array, ""]
    until: Int[Array, ""]
    epsilon: Float[Array, ""]
    seed: Int[Array, ""]
    moved: Float[Array, ""]


class State(NamedTuple):
    """A point in the phase space of training; an ensemble's state has a leading member axis on every leaf.

    Attributes:
        params: the weights; the float leaves among them are trained.
        opt_state: what the optimizer keeps.
        hparams: hyperparameters by name, which can be swept, perturbed and differentiated like weights.
        step: steps done.
        interventions: by name, what may happen to the member, and when.
        model_state: what the model carries beside its weights (running statistics, say); None without.
        noise: where the member's own randomness is; None where all members share the schedule's.
    """

    params: PyTree
    opt_state: PyTree
    hparams: dict[str, Float[Array, ""]]
    step: Int[Array, ""]
    interventions: dict[str, InterventionState] = {}
    model_state: PyTree = None
    noise: PyTree = None


class StepInfo(NamedTuple):
    """What a step tells beside the new state: the loss on its batch, at the weights before the update."""

    loss: Float[Array, ""]


@compares_by_value
class Undisturbed(NamedTuple):
    """A simpler `step` that is the same as a Dynamics' own for the next `num_steps(state)` steps: from the state on,
    until one before which something happens."""

    step: Callable[[State, Batch], tuple[State, StepInfo]]
    num_steps: Callable[[State], Int[Array, ""]]


@compares_by_value
class Dynamics(NamedTuple):
    """A map to be iterated: `init(params, hparams) -> State` and `step(state, batch) -> (State, StepInfo)`.

    Where something may happen to members, `interventions` are (name, Intervention) of each, and a rollout takes the
    `undisturbed` step wherever nothing does.
    """

    init: Callable[[PyTree, dict], State]
    step: Callable[[State, Batch], tuple[State, StepInfo]]
    undisturbed: Undisturbed | None = None
    interventions: tuple[tuple[str, Any], ...] = ()


class Transition(NamedTuple):
    """What an observable's `update` sees of one step."""

    before: State
    after: State
    batch: Batch
    info: StepInfo


class Snapshot(NamedTuple):
    """What an observable's `init` and `read` see: the state now, the baseline now, and the observable's own `data` and
    `reference` of the baseline."""

    state: State
    baseline: State
    data: PyTree
    reference: PyTree = None


class Variable(NamedTuple):
    """Names and units of one recorded array. `dims` are those after (step, member)."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str


@compares_by_value
class Observable(NamedTuple):
    """A measurement made inside the compiled loop.

    `init(snapshot) -> carry` and `read(carry, snapshot) -> (carry, record)` run at step 0, `read` again after every
    `every` steps; `update(carry, transition) -> carry`, if there is one, runs after every step. `record` is a dict with
    one array for each of `variables`. `scope` says what the functions see: the baseline alone (once), one member
    against the baseline (the loop vmaps over members), or the whole ensemble with its member axis. `data` holds
    arrays that they need (a test set, say), handed back in `snapshot.data`; `coords` labels extra dimensions.
    `reference(baseline, data)`, if there is one, is what all members need of the baseline (its norm, its predictions),
    computed once a record on each device however many tiles there are, and handed on in `snapshot.reference`.
    Carries are of fixed size, whatever the number of steps.
    """

    init: Callable[[Snapshot], PyTree]
    read: Callable[[PyTree, Snapshot], tuple[PyTree, dict[str, Array]]]
    update: Callable[[PyTree, Transition], PyTree] | None
    every: int
    scope: Scope
    variables: tuple[Variable, ...]
    data: PyTree = None
    coords: tuple[tuple[str, tuple], ...] = ()
    reference: Callable[[State, PyTree], PyTree] | None = None


class Members(NamedTuple):
    """Labels of the members, as NumPy arrays of length M.

    `role` is "baseline", "replica", "roundoff", "perturbed" or "independent"; `epsilon` the size of the perturbation (0
    for the others); `seed` the number of the perturbation's direction (-1 for the others); `at_step` the step before
    which it happens (-1: never), or None where it is there from the start.
    """

    role: np.ndarray
    epsilon: np.ndarray
    seed: np.ndarray
    at_step: np.ndarray | None = None


class Ensemble(NamedTuple):
    """A state whose leaves have a leading member axis, and the members' labels. Member 0 is the baseline."""

    state: State
    members: Members
