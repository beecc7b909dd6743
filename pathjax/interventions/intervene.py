"""Dynamics with interventions: changes of single members, each at its own steps."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax.core import trees
from pathjax.core.calls import call, check_same_kind
from pathjax.core.errors import require
from pathjax.core.masked_update import masked_update
from pathjax.core.types import Batch, Dynamics, FastStep, InterventionState, PyTree, State, StepInfo
from pathjax.interventions.base import Intervention

_MANY = jnp.iinfo(jnp.int32).max  # steps


def intervened(dynamics: Dynamics, interventions: Mapping[str, Intervention]) -> Dynamics:
    """Returns the same dynamics with named interventions, which happen to a member at the steps given in its state.

    The intervention "kick" reads its steps and epsilon from `state.interventions["kick"]`, which `with_interventions`
    adds to an ensemble; a state without that entry is unaffected. The entry's `moved` accumulates the 2-norm of the
    change in weights, optimizer state or hyperparameter; for a changed batch, of the difference in the state after the
    step. If an intervention happens several times, each occurrence has its own randomness. Interventions before the
    same step are applied in alphabetical order, each to the result of the previous one; those that replace a batch and
    do not measure it come first, and cost no second step. In a rollout, steps before
    which no member of a tile has an intervention run the original dynamics, at their cost.

    Args:
        dynamics: see `training_dynamics` or `windowed`; apply `windowed` first.
        interventions: Interventions by name.

    Returns:
        Dynamics with the interventions.

    Raises:
        InputError: if a name is already taken or a value is not an Intervention; when it happens, if it changes a part
            of the state that is not in its `changes`.

    >>> import optax, pathjax
    >>> halving = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), optax.sgd(0.5))
    >>> kick = Intervention(lambda key, state, batch, epsilon: state._replace(params=state.params + epsilon), None)
    >>> dynamics = intervened(halving, {"kick": kick})
    >>> entries = {"kick": InterventionState(at_step=1, until=2, epsilon=3.0, seed=0, moved=jnp.float32(0))}
    >>> state = dynamics.init(jnp.ones(1), {})._replace(interventions=entries)
    >>> for _ in range(2):
    ...     state, _ = dynamics.step(state, Batch(None, None, jax.random.key(0)))
    >>> float(state.params[0]), float(state.interventions["kick"].moved)
    (1.75, 3.0)
    """
    chosen = tuple(sorted(interventions.items()))
    for name, one in chosen:
        require(isinstance(one, Intervention), f"'{name}' must be an Intervention, not a {type(one).__name__}")
        require(name not in dict(dynamics.interventions), f"intervention '{name}' already exists; choose another name")
    plain = dynamics.fast_step

    def num_steps(state: State) -> Int[Array, ""]:
        left = [jnp.asarray(_MANY) if plain is None else plain.num_steps(state)]
        left += [_until_due(state, name) for name, _ in _present(chosen, state)]
        return functools.reduce(jnp.minimum, left)

    usual = dynamics.step if plain is None else plain.step
    step = functools.partial(_step, dynamics, chosen)
    return Dynamics(dynamics.init, step, FastStep(usual, num_steps), (*dynamics.interventions, *chosen))


def _step(dynamics: Dynamics, chosen, state: State, batch: Batch) -> tuple[State, StepInfo]:
    present = _present(chosen, state)
    for name, one in present:
        if one.on_state is not None:
            state = _changed(name, one, state, batch)
    of_batch = [(name, one) for name, one in present if one.on_batch is not None]
    for name, one in [pair for pair in of_batch if not pair[1].measured]:
        replaced = _replaced(name, one, state, batch)
        if replaced is not None:
            batch = replaced
            of_batch.remove((name, one))
    after = dynamics.step(state, batch)
    for i in range(len(of_batch)):
        after = _with_changed_batch(of_batch[: i + 1], dynamics, state, batch, after)
    return after


def _present(chosen, state: State) -> list[tuple[str, Intervention]]:
    """The interventions that have an entry in the state."""
    return [(name, one) for name, one in chosen if name in state.interventions]


def _changed(name: str, one: Intervention, state: State, batch: Batch) -> State:
    due, key, epsilon = _due(name, state)

    def change(carry):
        parts, total = carry
        before = state._replace(**parts)
        hint = "it must return the state with its `changes`"
        after = call(f"on_state of '{name}'", hint, one.on_state, key, before, batch, epsilon)  # type: ignore[arg-type]
        is_state = isinstance(after, State)
        require(is_state, f"on_state of '{name}' returned a {type(after).__name__}: {hint}")
        _check_others(name, one, before, after)
        for part in one.changes:
            check_same_kind(f"on_state of '{name}' changed {part}", getattr(before, part), getattr(after, part))
        new = {part: getattr(after, part) for part in parts}
        return new, total + _distance(parts, new, total.dtype)

    # Parts that cannot change are not carried through the update, which would copy them at each step.
    parts = {part: getattr(state, part) for part in one.changes}
    parts, moved = masked_update(due, change, (parts, state.interventions[name].moved))
    return state._replace(**parts, interventions=_with_moved(state, name, moved))


def _check_others(name: str, one: Intervention, before: State, after: State) -> None:
    """Checks that the parts not listed in `changes` are the same arrays."""
    for part in set(before._fields) - set(one.changes):
        leaves = (jax.tree.leaves(getattr(state, part)) for state in (before, after))
        same = all(a is b for a, b in zip(*leaves, strict=True))
        require(same, f"'{name}' changes {part}, but its `changes` are {one.changes}; add {part} there")


def _with_changed_batch(of_batch: list, dynamics, state: State, batch: Batch, usual):
    """The step on the batch as changed by the last of the given interventions, after the earlier ones."""
    name, last = of_batch[-1]
    due, key, epsilon = _due(name, state)

    def change(usual):
        seen = batch
        for earlier, one in of_batch[:-1]:
            also, its_key, its_epsilon = _due(earlier, state)
            seen = _where(earlier, also, _changed_batch(earlier, one, its_key, seen, its_epsilon), seen)
        after, info = dynamics.step(state, _changed_batch(name, last, key, seen, epsilon))
        total = usual[0].interventions[name].moved
        was, now = ((own.params, own.opt_state, own.hparams, own.model_state) for own in (usual[0], after))
        moved = total + _distance(was, now, total.dtype)
        return after._replace(interventions=_with_moved(usual[0], name, moved)), info

    return masked_update(due, change, usual)


def _replaced(name: str, one: Intervention, state: State, batch: Batch) -> Batch | None:
    """Returns the batch as changed where it is due, so that one step is enough; None if the sizes differ."""
    due, key, epsilon = _due(name, state)
    changed = _changed_batch(name, one, key, batch, epsilon)
    alike = [
        jax.tree.map(lambda a: (jnp.shape(a), jnp.result_type(a)), (b.examples, b.weights)) for b in (batch, changed)
    ]
    return _where(name, due, changed, batch) if alike[0] == alike[1] else None


def _changed_batch(name: str, one: Intervention, key, batch: Batch, epsilon) -> Batch:
    hint = "it must return a Batch"
    changed = call(f"on_batch of '{name}'", hint, one.on_batch, key, batch, epsilon)  # type: ignore[arg-type]
    require(isinstance(changed, Batch), f"on_batch of '{name}' returned a {type(changed).__name__}: {hint}")
    return changed


def _with_moved(state: State, name: str, moved: Float[Array, ""]) -> dict[str, InterventionState]:
    """All entries, with `moved` of one intervention updated."""
    return state.interventions | {name: state.interventions[name]._replace(moved=moved)}


def _where(name: str, due, changed: Batch, batch: Batch) -> Batch:
    if batch.weights is None and changed.weights is not None:
        batch = batch._replace(weights=jnp.ones_like(changed.weights))
    shapes = [jax.tree.map(jnp.shape, (b.examples, b.weights)) for b in (batch, changed)]
    same = shapes[0] == shapes[1]
    require(same, f"'{name}' changes the batch size, so no other may follow; rename it to sort last")
    kept, new = ((b.examples, b.weights) for b in (batch, changed))
    examples, weights = jax.tree.map(lambda a, b: jnp.where(due, a, b), new, kept)
    return changed._replace(examples=examples, weights=weights)


def _distance(before: PyTree, after: PyTree, dtype) -> Float[Array, ""]:
    """The 2-norm of the change, over all float leaves."""
    own = [trees.split_floats(part)[0] for part in (before, after)]
    return trees.norm(trees.subtract(own[1], own[0])).astype(dtype)


def _due(name: str, state: State):
    at, until, epsilon, seed, _ = state.interventions[name]
    key = jax.random.fold_in(jax.random.key(0), seed)
    key = jnp.where(state.step == at, key, jax.random.fold_in(key, state.step - at))
    return (at <= state.step) & (state.step < until), key, epsilon


def _until_due(state: State, name: str) -> Int[Array, ""]:
    at, until = state.interventions[name][:2]
    now = jnp.where(state.step < until, 0, _MANY)
    return jnp.where(state.step < at, at - state.step, now)
