"""Runs observables in the loop: each sees the baseline, one member or the ensemble, according to its `scope`."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from pathjax.core import trees
from pathjax.core.calls import call
from pathjax.core.errors import require
from pathjax.core.types import Observable, PyTree, Recorded, Snapshot, State, Transition

# Axes for vmap over members: per-member data (state; before, after, info) have one, shared data have none.
_SNAPSHOT_AXES: Any = Snapshot(0, None, None, None)  # type: ignore[arg-type]


class Baseline(NamedTuple):
    """The baseline as observables of one cadence see it: its state, and the `reference` of each of them."""

    state: State
    references: tuple[PyTree, ...]


def cadences(observables: Sequence[Observable]) -> list[int]:
    """Returns the distinct cadences, fastest first."""
    return sorted({observable.every for observable in observables})


def record_steps(observables: Sequence[Observable], num_steps: int, first_step: int = 0) -> dict[str, np.ndarray]:
    """Returns the steps at which each variable is recorded, by name."""
    return {v.name: np.arange(first_step, num_steps + 1, o.every) for o in observables for v in o.variables}


def recorded(observables: Sequence[Observable], state: State) -> tuple[Recorded, ...]:
    """Returns what the records of these observables are, without the arrays that the observables read."""

    def of(observable: Observable) -> list[Recorded]:
        coords = tuple((name, tuple(value(state) if callable(value) else value)) for name, value in observable.coords)
        return [Recorded(variable, observable.every, observable.scope, coords) for variable in observable.variables]

    return tuple(one for observable in observables for one in of(observable))


def refer(observables: Sequence[Observable], every: int, state: State, data: Sequence[PyTree]) -> Baseline:
    """Returns the baseline as observables of one cadence see it; the references of others are None."""

    def one(observable, own_data):
        wanted = observable.reference is not None and observable.every == every
        return _named(observable, observable.reference)(state, own_data) if wanted else None

    return Baseline(state, tuple(one(o, own_data) for o, own_data in zip(observables, data, strict=True)))


def start(
    observables: Sequence[Observable], state: State, baseline: State, data: Sequence[PyTree]
) -> tuple[tuple[PyTree, ...], dict]:
    """Returns the carries and the records at step 0."""
    carries: list[PyTree] = [None] * len(observables)
    records: dict[str, jax.Array] = {}
    for every in cadences(observables):
        seen = refer(observables, every, baseline, data)
        for i, snapshot in _snapshots(observables, every, state, seen, data):
            carries[i] = _over_members(observables[i], observables[i].init, (_SNAPSHOT_AXES,))(snapshot)
        carries[:], now = read(observables, every, state, seen, carries, data)
        records |= now
    return tuple(carries), records


def needs(observables: Sequence[Observable], what: str) -> bool:
    """Whether the `update` of some observable needs "baseline" or "gradients"."""
    return any(what in one.needs for one in observables if one.update is not None)


def update(
    observables: Sequence[Observable],
    carries: Sequence[PyTree],
    transition: Transition,
    batch_axes: Any,
    data: Sequence[PyTree],
) -> tuple[PyTree, ...]:
    """Returns all carries after one step; `batch_axes` are those of `transition.batch`, for vmap over members."""
    axes: Any = Transition(0, 0, batch_axes, 0, None, None)  # type: ignore[arg-type]
    new = []
    for observable, carry, own_data in zip(observables, carries, data, strict=True):
        if observable.update is not None:
            seen = _needed(observable, transition)._replace(data=own_data)
            seen = of_baseline(seen, batch_axes) if observable.scope == "baseline" else seen
            carry = _over_members(observable, observable.update, (0, axes))(carry, seen)
        new.append(carry)
    return tuple(new)


def _needed(observable: Observable, transition: Transition) -> Transition:
    """Returns a transition without what the observable does not need."""
    if "gradients" in observable.needs:
        given = transition.info.gradients is not None
        none = "and the dynamics have none: use training_dynamics, or compute them in the observable"
        require(given, f"'{observable.variables[0].name}' needs gradients, {none}")
    else:
        transition = transition._replace(info=transition.info._replace(gradients=None))
    return transition if "baseline" in observable.needs else transition._replace(baseline=None)


def of_baseline(transition: Transition, batch_axes: Any) -> Transition:
    """Returns the transition of the first member."""
    before, after, info = trees.index((transition.before, transition.after, transition.info), 0)
    batch = transition.batch
    if batch_axes is not None:
        examples, weights = trees.index((batch.examples, batch.weights), 0)
        batch = batch._replace(examples=examples, weights=weights)
    return transition._replace(before=before, after=after, batch=batch, info=info)


def read(
    observables: Sequence[Observable],
    every: int,
    state: State,
    baseline: Baseline | None,
    carries: Sequence[PyTree],
    data: Sequence[PyTree],
) -> tuple[tuple[PyTree, ...], dict]:
    """Returns carries and records of the observables of one cadence. The baseline, None where no observable has this
    cadence, need not be in `state`."""
    new, records = list(carries), dict[str, jax.Array]()
    for i, snapshot in _snapshots(observables, every, state, baseline, data):
        one = observables[i]
        new[i], record = _over_members(one, one.read, (0, _SNAPSHOT_AXES))(carries[i], snapshot)
        records |= _checked(one, record)
    return tuple(new), records


def _snapshots(observables, every: int, state: State, baseline: Any, data) -> list[tuple[int, Snapshot]]:
    """Returns each observable of one cadence, by its index, with what it sees."""
    seen = [baseline.state if o.scope == "baseline" else state for o in observables]
    return [
        (i, Snapshot(seen[i], baseline.state, data[i], baseline.references[i]))
        for i, observable in enumerate(observables)
        if observable.every == every
    ]


def flatten_time(observables: Sequence[Observable], levels: list[int], records: dict) -> dict:
    """Flattens records of nested scans, which have an axis for each slower cadence, to one time axis."""
    num_axes = {v.name: len(levels) - levels.index(o.every) for o in observables for v in o.variables}
    return {name: jax.lax.collapse(a, 0, num_axes[name]) for name, a in records.items()}


def _checked(observable: Observable, record: dict) -> dict:
    names = {variable.name for variable in observable.variables}
    require(
        isinstance(record, dict) and set(record) == names,
        f"an observable declares {sorted(names)}, but recorded {sorted(record) if isinstance(record, dict) else record}"
        "; `read` must return a dict with one array for each of `variables`",
    )
    num_members = 1 if observable.scope == "member" else 0
    for name, dims, *_ in observable.variables:
        shape = np.shape(record[name])[num_members:]
        require(
            len(shape) == len(dims),
            f"an observable recorded '{name}' with shape {shape}, but declares the dimensions {tuple(dims)}; give its "
            "Variable one name per dimension",
        )
    return record


def _over_members(observable: Observable, fn, in_axes):
    return _named(observable, jax.vmap(fn, in_axes=in_axes) if observable.scope == "member" else fn)


def _named(observable: Observable, fn):
    """Returns one of an observable's functions, whose errors then name the observable."""
    what = f"the observable '{observable.variables[0].name}'" if observable.variables else "an observable"
    hint = "check its init, read, update and reference"
    hint += "" if observable.needs else " (an update that sees the baseline or gradients lists them in `needs`)"
    return functools.partial(call, what, hint, fn)
