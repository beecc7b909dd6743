"""What happens to a member at a step of its own, while the others go on."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pathjax import trees
from pathjax.errors import require
from pathjax.rarely import amend_rarely
from pathjax.typing import Batch, Dynamics, State, StepInfo, Undisturbed

NEVER = -1
_MANY = jnp.iinfo(jnp.int32).max  # steps


class Intervention(NamedTuple):
    """A change of a member's state, or of its batch, at one step.

    `on_state(state, batch, key, size) -> State` is applied before the step, and `on_batch(batch, key, size) -> Batch`
    gives what the member sees in that step in place of the others' batch; one of both is None. `key` is the member's
    own, and `size` how large the change is, in units that the intervention says. `changes` are the parts of a state
    that `on_state` may change: "params", "opt_state", "hparams".
    """

    on_state: Callable[[State, Batch, Key[Array, ""], Float[Array, ""]], State] | None
    on_batch: Callable[[Batch, Key[Array, ""], Float[Array, ""]], Batch] | None
    changes: tuple[str, ...] = ("params",)


class When(NamedTuple):
    """For each of M members, the step before which an intervention happens (NEVER, -1: not at all), its size, and the
    number from which its randomness comes."""

    at_step: Int[np.ndarray, "M"]
    size: Float[np.ndarray, "M"]
    seed: Int[np.ndarray, "M"]


def intervening(dynamics: Dynamics, interventions: Mapping[str, Intervention]) -> Dynamics:
    """The same dynamics, in which what is named may happen to a member, at the step that its hyperparameters say.

    An intervention named "kick" is read from three leaves, "kick/at_step", "kick/size" and "kick/seed", which
    `with_interventions` adds to an ensemble; a state without them is not touched. What it moved is kept in a fourth,
    "kick/moved": the 2-norm of the change of weights, optimizer state or hyperparameter or, where a batch was another,
    of what the step makes of them. Members that nothing happens to at a step go on as they would: nothing is computed
    for those that it happens to, until it does. Several that happen before one step do so in the order of their names.

    Args:
        dynamics: see `training_dynamics`.
        interventions: by name.

    >>> import optax, pathjax
    >>> halving = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), optax.sgd(0.5))
    >>> kick = Intervention(lambda state, batch, key, size: state._replace(params=state.params + size), None)
    >>> dynamics = intervening(halving, {"kick": kick})
    >>> leaves = {"kick/at_step": 1, "kick/size": 3.0, "kick/seed": 0, "kick/moved": 0.0}
    >>> state, batch = dynamics.init(jnp.ones(1), leaves), Batch(None, None, jax.random.key(0))
    >>> for _ in range(2):
    ...     state, _ = dynamics.step(state, batch)
    >>> float(state.params[0]), float(state.hparams["kick/moved"])
    (1.75, 3.0)
    """
    chosen = dict(sorted(interventions.items()))

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        for name, one in chosen.items():
            if one.on_state is not None and f"{name}/at_step" in state.hparams:
                state = _changed(name, one, state, batch)
        after = dynamics.step(state, batch)
        for name, one in chosen.items():
            if one.on_batch is not None and f"{name}/at_step" in state.hparams:
                after = _seen_otherwise(name, one.on_batch, dynamics, state, batch, after)
        return after

    def num_steps(state: State) -> Int[Array, ""]:
        here = [f"{name}/at_step" for name in chosen if f"{name}/at_step" in state.hparams]
        left = [jnp.asarray(_MANY) if calm is None else calm.num_steps(state)]
        for at in (state.hparams[leaf] for leaf in here):
            left.append(jnp.where(at >= state.step, at - state.step, _MANY))
        return functools.reduce(jnp.minimum, left)

    calm = dynamics.undisturbed
    usual = dynamics.step if calm is None else calm.step
    return Dynamics(dynamics.init, step, Undisturbed(usual, num_steps))


def _changed(name: str, one: Intervention, state: State, batch: Batch) -> State:
    due, key, size = _due(name, state)

    def change(carry):
        parts, _ = carry
        before = state._replace(**parts)
        after = one.on_state(before, batch, key, size)  # type: ignore[misc]  # there is one
        return {part: getattr(after, part) for part in parts}, _apart(before, after)

    # What it leaves alone is not carried through: that would be copied at each step.
    parts = {part: getattr(state, part) for part in one.changes}
    parts, moved = amend_rarely(due, change, (parts, state.hparams[f"{name}/moved"]))
    state = state._replace(**parts)
    return state._replace(hparams=state.hparams | {f"{name}/moved": moved})


def _seen_otherwise(name: str, on_batch: Callable, dynamics, state: State, batch: Batch, usual):
    due, key, size = _due(name, state)

    def change(usual):
        after, info = dynamics.step(state, on_batch(batch, key, size))
        hparams = after.hparams | {f"{name}/moved": _apart(usual[0], after)}
        return after._replace(hparams=hparams), info

    return amend_rarely(due, change, usual)


def _apart(before: State, after: State) -> Float[Array, ""]:
    """The 2-norm of the change of everything that changed."""
    own = [trees.split_floats((state.params, state.opt_state, state.hparams))[0] for state in (before, after)]
    return trees.norm(trees.subtract(own[1], own[0])).astype(trees.float_type(before.params))


def _due(name: str, state: State):
    at, size, seed = (state.hparams[f"{name}/{what}"] for what in ("at_step", "size", "seed"))
    return state.step == at, jax.random.fold_in(jax.random.key(0), seed), size


def leaves_of(name: str, when: When, dtype) -> dict[str, Array]:
    """The hyperparameters that an intervention is read from.

    Raises:
        InputError: if lengths differ, or a step is below -1.

    >>> sorted(leaves_of("kick", When(np.array([-1]), np.array([0.0]), np.array([0])), jnp.float32))
    ['kick/at_step', 'kick/moved', 'kick/seed', 'kick/size']
    """
    lengths = [np.shape(a) for a in when]
    require(
        len(set(lengths)) == 1 and len(lengths[0]) == 1,
        f"'{name}' has at_step, size and seed of shapes {lengths}: give one of each for every member",
    )
    earliest = np.min(when.at_step, initial=0)
    require(earliest >= NEVER, f"'{name}' happens at step {earliest}: choose 0 or more, or -1 for never")
    return {
        f"{name}/at_step": jnp.asarray(when.at_step, jnp.int32),
        f"{name}/moved": jnp.zeros(np.shape(when.size), dtype),
        f"{name}/size": jnp.asarray(when.size, dtype),
        f"{name}/seed": jnp.asarray(when.seed, jnp.uint32),
    }
