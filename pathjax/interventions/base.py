"""The types of interventions: changes of one member at its own steps, while the other members train unchanged."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Key

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.function_equality import compares_by_value
from pathjax.core.types import Batch, InterventionState, State
from pathjax.interventions.epsilon_checks import check_finite

NEVER = -1


@compares_by_value
@shown_in_short
class Intervention(NamedTuple):
    """A change of a member's state or of its batch, at one step or at several.

    `on_state(key, state, batch, epsilon) -> State` is applied before the step; `on_batch(key, batch, epsilon) -> Batch`
    returns the batch that the member sees in that step in place of the scheduled one. One of the two is None. `key` is
    the member's own key, and `epsilon` is the strength of the change, in units that each intervention documents.
    `check(epsilons)` raises InputError for invalid values. `changes` lists the parts of the state that `on_state` may
    change: "params", "opt_state", "hparams", "model_state", "noise". `measured` says whether `moved` adds up what a
    changed batch does, for which the step on the usual batch is computed too.
    """

    on_state: Callable[[Key[Array, ""], State, Batch, Float[Array, ""]], State] | None
    on_batch: Callable[[Key[Array, ""], Batch, Float[Array, ""]], Batch] | None
    changes: tuple[str, ...] = ("params",)
    check: Callable[[np.ndarray], None] = check_finite
    measured: bool = True


@shown_in_short
class When(NamedTuple):
    """When an intervention happens, for each of M members: the step before which it happens (NEVER, -1: not at all),
    its epsilon, its random seed, and the first step at which it no longer happens (None: it happens once)."""

    at_step: Int[np.ndarray, " M"]
    epsilon: Float[np.ndarray, " M"]
    seed: Int[np.ndarray, " M"]
    until: Int[np.ndarray, " M"] | None = None


def initial_intervention_state(name: str, when: When, dtype: DTypeLike) -> InterventionState:
    """Returns the initial state of an intervention, with a leading member axis.

    Raises:
        InputError: if lengths differ, a step is below -1 or not an integer, or an intervention ends before it begins.

    >>> initial_intervention_state("kick", When(np.array([3]), np.array([0.5]), np.array([0])), jnp.float32).until
    Array([4], dtype=int32)
    """
    at = np.asarray(when.at_step)
    until = at + 1 if when.until is None else np.asarray(when.until)
    lengths = [np.shape(a) for a in (at, when.epsilon, when.seed, until)]
    require(
        len(set(lengths)) == 1 and len(lengths[0]) == 1,
        f"'{name}' has at_step, epsilon, seed and until of shapes {lengths}; give each one entry per member",
    )
    require(bool(np.all(np.mod((at, until), 1) == 0)), f"'{name}' has non-integer steps; give integers")
    earliest = np.min(at, initial=0)
    require(earliest >= NEVER, f"'{name}' happens at step {earliest}; at_step must be 0 or more, or -1 for never")
    late = (at >= 0) & (until <= at)
    require(not late.any(), f"'{name}' ends at step {until[late][:1]}, before it begins; choose a later `until`")
    dtype = jnp.promote_types(dtype, jnp.float32)  # half precision cannot hold the row numbers of `of_batch`
    return InterventionState(
        at_step=jnp.asarray(at, jnp.int32),
        until=jnp.asarray(np.where(at < 0, NEVER, until), jnp.int32),
        epsilon=jnp.asarray(when.epsilon, dtype),
        seed=jnp.asarray(when.seed, jnp.uint32),
        moved=jnp.zeros(np.shape(when.epsilon), dtype),
    )
