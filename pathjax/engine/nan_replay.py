"""Finds where NaN or inf first occurs: replays a chunk in which a loss or weight stops being finite, step by step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify

from pathjax.core import trees
from pathjax.core.errors import InputError
from pathjax.core.function_equality import by_value
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import Inputs, LoopState
from pathjax.engine.sharding import fetch, to_member_order
from pathjax.training.schedule import take_batch

OVERFLOW = "values overflowed; try a smaller learning rate"


def check_chunk(
    dynamics: Dynamics, layout: Layout, before: LoopState, after: LoopState, inputs: Inputs, part: PyTree
) -> None:
    """Replays the first member that was finite before a chunk and is not after it, step by step.

    The whole loop does not run under `checkify`, because observables may divide 0 by 0 where a ratio is undefined.

    Args:
        dynamics: the map.
        layout: the rollout's layout; not a sweep.
        before: the loop's state before the chunk.
        after: the loop's state after the chunk.
        inputs: the loop's inputs.
        part: the chunk's rows of the schedule.

    Raises:
        InputError: with the member, step, operation and line of code.
    """
    was_finite, is_finite = (to_member_order(layout, fetch(_finite(loop))) for loop in (before, after))
    died = np.flatnonzero(was_finite & ~is_finite)
    if len(died):
        number = int(died[0])
        state = trees.index(to_member_order(layout, fetch(before.members.state)), number)
        raise InputError(f"checks: member {number}, {_replay(dynamics, state, inputs, part)}")


@jax.jit
def _finite(loop: LoopState):
    """Whether members' losses and weights are finite; weights by their norm, as in the records."""
    return loop.members.alive & jnp.isfinite(jax.vmap(_norm)(loop.members.state))


def _norm(state: State):
    return trees.norm(trees.split_floats(state.params)[0])


def _replay(dynamics: Dynamics, state, inputs: Inputs, part: PyTree) -> str:
    step = _checked_step(by_value(dynamics))
    for row in range(len(part[0])):
        error, (after, info) = step(state, inputs.dataset, inputs.key, trees.index(part, row))
        where = f"step {int(after.step)}"
        if error.get() is not None:
            return f"{where}: {' '.join(error.get().split()).rstrip('.')}{_line_of(error)}"
        if not np.isfinite(info.loss):
            return f"{where}: a loss of {float(info.loss)} without an earlier NaN; {OVERFLOW}"
        if not np.isfinite(_norm(after)):
            return f"{where}: weights whose norm is not finite, without an earlier NaN; {OVERFLOW}"
        state = after
    first, last = int(state.step) - len(part[0]) + 1, int(state.step)
    rounded = "although it is finite when the member is replayed alone, with other rounding"
    return f"steps {first} to {last}: a loss or a weight that was not finite, {rounded}; {OVERFLOW}"


def _line_of(error) -> str:
    """Returns the line of code nearest to the operation that is outside installed libraries."""
    frames = str(getattr(error.get_exception(), "traceback_info", "")).splitlines()
    own = [frame for frame in frames if "site-packages" not in frame and ".py:" in frame]
    return f", in {own[0]}" if own else ""


@functools.lru_cache(maxsize=32)
def _checked_step(dynamics: Dynamics):
    def step(state, dataset, key, row):
        return dynamics.step(state, take_batch(dataset, key, state, row))

    return jax.jit(checkify.checkify(step, errors=checkify.nan_checks))
