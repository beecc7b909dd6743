"""The data that pathjax passes around: NamedTuples and aliases, with no behavior but how they are shown.

Dimension names in shapes: T steps, B examples in a batch, M members, D weights, k tangents.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Key

from pathjax.core.display import shown_in_short
from pathjax.core.function_equality import compares_by_value

PyTree = Any
AnyArray = Array | np.ndarray
Floats = Sequence[float] | AnyArray
Scope = Literal["baseline", "member", "ensemble"]


@shown_in_short
class Network(NamedTuple):
    """A model's weights, and what it carries beside them.

    Wherever weights are taken (`perturbed_ensemble`, `Dynamics.init`), a Network may be given instead. `model_state` is
    any pytree: running statistics, counts of random draws, averaged weights, a memory.
    """

    params: PyTree
    model_state: PyTree = None


@shown_in_short
class Batch(NamedTuple):
    """The input of one step beside the state; the same for every member.

    `examples` is the dataset's pytree gathered at B indices, `weights` the examples' weights (None: all 1), and
    `key` the randomness of this step (dropout, augmentation), which belongs to the schedule and so is shared.
    `dataset` holds all examples and `step` is the step's index, for code that needs other examples than these; they
    cost nothing.
    """

    examples: PyTree
    weights: Float[Array, " B"] | None
    key: Key[Array, ""]
    dataset: PyTree = None
    step: Int[Array, ""] | int | None = None


@shown_in_short
class InterventionState(NamedTuple):
    """The state of an intervention on one member. It acts before the steps from `at_step` (-1: never) until `until`,
    with size `epsilon` and its own randomness derived from `seed`; `moved` is the distance moved so far."""

    at_step: Int[Array, ""]
    until: Int[Array, ""]
    epsilon: Float[Array, ""]
    seed: Int[Array, ""]
    moved: Float[Array, ""]


@shown_in_short
class State(NamedTuple):
    """A point in the phase space of training; an ensemble's state has a leading member axis on every leaf.

    Attributes:
        params: the weights; training changes the float leaves. Distances and perturbations are those of the weights.
        opt_state: the optimizer's state.
        hparams: hyperparameters by name, which can be swept, perturbed and differentiated like weights.
        step: number of steps done.
        interventions: the member's interventions, by name.
        model_state: what the model carries beside its weights (e.g. running statistics), or None. Each member has its
            own, tangents include its float leaves, and no perturbation moves it.
        noise: the index of the member's noise: 0 is the schedule's, any other its own. None: all share the schedule's.
        schedule: which of several schedules the member follows. None: there is only one.
    """

    params: PyTree
    opt_state: PyTree
    hparams: dict[str, Float[Array, ""]]
    step: Int[Array, ""]
    interventions: dict[str, InterventionState] = {}
    model_state: PyTree = None
    noise: PyTree = None
    schedule: PyTree = None


@shown_in_short
class StepInfo(NamedTuple):
    """What a step returns beside the new state: the loss on its batch and its gradients by the weights' float leaves,
    both at the weights before the update. A map without a loss has no gradients."""

    loss: Float[Array, ""]
    gradients: PyTree = None


@compares_by_value
class FastStep(NamedTuple):
    """A simpler `step` that equals the Dynamics' own for the next `num_steps(state)` steps, up to the first step before
    which an intervention acts."""

    step: Callable[[State, Batch], tuple[State, StepInfo]]
    num_steps: Callable[[State], Int[Array, ""]]


@compares_by_value
@shown_in_short
class Dynamics(NamedTuple):
    """A map to be iterated: `init(params, hparams) -> State` and `step(state, batch) -> (State, StepInfo)`.

    `init` takes weights, or a `Network` if the model has a state. If members may be intervened on, `interventions`
    holds (name, Intervention) for each intervention, and a rollout takes the step of `fast_step` while none acts.
    """

    init: Callable[[PyTree, dict], State]
    step: Callable[[State, Batch], tuple[State, StepInfo]]
    fast_step: FastStep | None = None
    interventions: tuple[tuple[str, Any], ...] = ()


@shown_in_short
class Transition(NamedTuple):
    """What an observable's `update` sees of one step, with the observable's own `data`.

    `info.gradients` and `baseline`, the baseline's own transition in the same step, are None for observables that do
    not name them in their `needs`.
    """

    before: State
    after: State
    batch: Batch
    info: StepInfo
    data: PyTree = None
    baseline: Any = None


@shown_in_short
class Snapshot(NamedTuple):
    """What an observable's `init` and `read` see: the current state, the current baseline, and the observable's own
    `data` and `reference`."""

    state: State
    baseline: State
    data: PyTree
    reference: PyTree = None


class Variable(NamedTuple):
    """Names and units of one recorded array. `dims` are the dimensions after (step, member)."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str

    def described(self) -> str:
        """Names the variable, its dimensions and its unit.

        >>> Variable("cka", ("layer",), "1", "centred kernel alignment").described()
        'cka (layer) [1]'
        """
        dims = f" ({', '.join(self.dims)})" if self.dims else ""
        return f"{self.name}{dims} [{self.units}]"


@compares_by_value
@shown_in_short
class Observable(NamedTuple):
    """A measurement made inside the compiled loop.

    `init(snapshot) -> carry` and `read(carry, snapshot) -> (carry, record)` run at step 0; `read` runs again every
    `every` steps. `update(carry, transition) -> carry`, if given, runs after every step. `record` is a dict with one
    array for each of `variables`. `scope` says what the functions see: only the baseline (once), one member and the
    baseline (the loop vmaps over members), or the whole ensemble with its member axis. `data` holds arrays that they
    need (e.g. a test set), available as `snapshot.data`; `coords` labels extra dimensions, by values or by a
    function of the ensemble's state. `reference(baseline, data)`, if given, is what all members need of the baseline
    (its norm, its predictions); it is computed once per record on each device, for any number of tiles, and available
    as `snapshot.reference`. The size of a carry does not depend on the number of steps.

    `needs` names what else `update` sees: "baseline" (`transition.baseline`) or "gradients" (of `transition.info`).
    For "baseline", the first tile stores the baseline's states before and after each step, for as many steps as other
    tiles take at a time, and these read them (docs/performance.md has the cost). The gradients are those of the step
    itself, kept in memory until `update` has seen them. Without `needs`, none of this is stored or computed.
    """

    init: Callable[[Snapshot], PyTree]
    read: Callable[[PyTree, Snapshot], tuple[PyTree, dict[str, Array]]]
    update: Callable[[PyTree, Transition], PyTree] | None
    every: int
    scope: Scope
    variables: tuple[Variable, ...]
    data: PyTree = None
    coords: tuple[tuple[str, tuple | Callable[[State], tuple]], ...] = ()
    reference: Callable[[State, PyTree], PyTree] | None = None
    needs: tuple[str, ...] = ()


@shown_in_short
class Recorded(NamedTuple):
    """What one array of the records is: its name, dimensions and units, and how it was taken.

    Attributes:
        variable: name, dimensions after time and member, units.
        every: steps between records.
        scope: of the observable: with "member", the array has a member axis after time.
        coords: labels of extra dimensions, by name.
    """

    variable: Variable
    every: int
    scope: Scope
    coords: tuple[tuple[str, tuple], ...] = ()


@shown_in_short
class Members(NamedTuple):
    """Labels of the members, as NumPy arrays of length M.

    `role` is "baseline", "replica", "roundoff", "perturbed", "independent", "noise" (the baseline's weights, trained
    with other noise), "fork" (a copy of the baseline) or "arm" (the same with other hyperparameters). `epsilon` is the
    perturbation's epsilon, and `seed` the index of its direction and of its noise; other roles have epsilon 0 and seed
    -1. `at_step` is the step before which it acts (-1: never), or None if members are perturbed at the start. `labels`
    are any others, by name (see `pathjax.with_labels`).
    """

    role: np.ndarray
    epsilon: np.ndarray
    seed: np.ndarray
    at_step: np.ndarray | None = None
    labels: dict[str, np.ndarray] = {}

    def described(self) -> str:
        """Counts the members of each role, with their epsilons.

        >>> Members(np.array(["baseline", "perturbed"]), np.array([0, 0.1]), np.array([-1, 0])).described()
        '2: 1 baseline, 1 perturbed (epsilon 0.1)'
        """
        epsilons = sorted({float(one) for one in self.epsilon if one > 0})
        texts = [f"{one:g}" for one in epsilons]
        listed = ", ".join(texts) if len(texts) <= 4 else f"{texts[0]} to {texts[-1]}"
        listed = f" (epsilon {listed})" if texts else ""
        roles = dict.fromkeys(self.role.tolist())
        counts = [f"{(self.role == role).sum()} {role}{listed if role == 'perturbed' else ''}" for role in roles]
        names = f"; labels {', '.join(self.labels)}" if self.labels else ""
        return f"{len(self.role)}: {', '.join(counts)}{names}"


@shown_in_short
class Ensemble(NamedTuple):
    """A state whose leaves have a leading member axis, and the members' labels. Member 0 is the baseline."""

    state: State
    members: Members
