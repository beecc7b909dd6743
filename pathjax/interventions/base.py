"""What happens to a member at a step of its own, while the others go on."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pathjax.core.errors import require
from pathjax.core.function_equality import compares_by_value
from pathjax.core.types import Batch, InterventionState, State
from pathjax.interventions.epsilon_checks import check_finite

NEVER = -1


@compares_by_value
class Intervention(NamedTuple):
    """A change of a member's state, or of its batch, at one step, or at each of several.

    `on_state(key, state, batch, epsilon) -> State` is applied before the step, and `on_batch(key, batch, epsilon) ->
    Batch` gives what the member sees in that step in place of the others' batch; one of both is None. `key` is the
    member's own, and `epsilon` how large the change is, in units that the intervention says; `check(epsilons)` raises
    InputError for those that mean nothing. `changes` are the parts of a state that `on_state` may change: "params",
    "opt_state", "hparams".
    """

    on_state: Callable[[Key[Array, ""], State, Batch, Float[Array, ""]], State] | None
    on_batch: Callable[[Key[Array, ""], Batch, Float[Array, ""]], Batch] | None
    changes: tuple[str, ...] = ("params",)
    check: Callable[[np.ndarray], None] = check_finite


class When(NamedTuple):
    """For each of M members, the step before which an intervention happens (NEVER, -1: not at all), its epsilon, the
    number from which its randomness comes, and the step at which it no longer happens (None: it happens once)."""

    at_step: Int[np.ndarray, " M"]
    epsilon: Float[np.ndarray, " M"]
    seed: Int[np.ndarray, " M"]
    until: Int[np.ndarray, " M"] | None = None


def books_of(name: str, when: When, dtype) -> InterventionState:
    """What is on an intervention's books at the start, with a leading axis of members.

    Raises:
        InputError: if lengths differ, a step is below -1 or no whole number, or something ends before it begins.

    >>> books_of("kick", When(np.array([3]), np.array([0.5]), np.array([0])), jnp.float32).until
    Array([4], dtype=int32)
    """
    at = np.asarray(when.at_step)
    until = at + 1 if when.until is None else np.asarray(when.until)
    lengths = [np.shape(a) for a in (at, when.epsilon, when.seed, until)]
    require(
        len(set(lengths)) == 1 and len(lengths[0]) == 1,
        f"'{name}' has at_step, epsilon, seed and until of shapes {lengths}: give one of each for every member",
    )
    require(bool(np.all(np.mod((at, until), 1) == 0)), f"'{name}' has steps that are no whole numbers: give such")
    earliest = np.min(at, initial=0)
    require(earliest >= NEVER, f"'{name}' happens at step {earliest}: choose 0 or more, or -1 for never")
    late = (at >= 0) & (until <= at)
    require(not late.any(), f"'{name}' ends at step {until[late][:1]}, where it has not begun: choose a later `until`")
    dtype = jnp.promote_types(dtype, jnp.float32)  # which holds the number of a batch
    return InterventionState(
        at_step=jnp.asarray(at, jnp.int32),
        until=jnp.asarray(np.where(at < 0, NEVER, until), jnp.int32),
        epsilon=jnp.asarray(when.epsilon, dtype),
        seed=jnp.asarray(when.seed, jnp.uint32),
        moved=jnp.zeros(np.shape(when.epsilon), dtype),
    )
