"""How the loop runs observables: each sees the baseline, one member or the ensemble, as its `scope` says."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from pathjax import trees
from pathjax.errors import require
from pathjax.typing import Observable, PyTree, Snapshot, State, Transition

# Axes for vmap over members: the member's own things (state; before, after, info) have one, what is shared has none.
_SNAPSHOT_AXES: Any = Snapshot(0, None, None)  # type: ignore[arg-type]
_TRANSITION_AXES: Any = Transition(0, 0, None, 0)  # type: ignore[arg-type]


def cadences(observables: Sequence[Observable]) -> list[int]:
    """The different cadences, fastest first."""
    return sorted({observable.every for observable in observables})


def record_steps(observables: Sequence[Observable], num_steps: int) -> dict[str, np.ndarray]:
    """The steps at which each variable is recorded, by its name."""
    return {v.name: np.arange(0, num_steps + 1, o.every) for o in observables for v in o.variables}


def start(observables, state: State, baseline: State, data) -> tuple[tuple[PyTree, ...], dict]:
    """The carries and the records at step 0."""
    carries = tuple(_init(o, state, baseline, own_data) for o, own_data in zip(observables, data, strict=True))
    records: dict = {}
    for every in cadences(observables):
        carries, now = read(observables, every, state, baseline, carries, data)
        records |= now
    return carries, records


def _init(observable: Observable, state: State, baseline: State, data) -> PyTree:
    snapshot = _snapshot(observable, state, baseline, data)
    return _over_members(observable, observable.init, (_SNAPSHOT_AXES,))(snapshot)


def update(observables, carries, before: State, after: State, batch, info) -> tuple[PyTree, ...]:
    """All carries after one step."""
    new = []
    for observable, carry in zip(observables, carries, strict=True):
        if observable.update is not None:
            transition = Transition(before, after, batch, info)
            if observable.scope == "baseline":
                before_0, after_0, info_0 = trees.index((before, after, info), 0)
                transition = Transition(before_0, after_0, batch, info_0)
            carry = _over_members(observable, observable.update, (0, _TRANSITION_AXES))(carry, transition)
        new.append(carry)
    return tuple(new)


def read(observables, every: int, state: State, baseline: State, carries, data) -> tuple[tuple[PyTree, ...], dict]:
    """Carries and records of the observables of one cadence; the baseline need not be in `state`."""
    new, records = [], dict[str, jax.Array]()
    for observable, carry, own_data in zip(observables, carries, data, strict=True):
        if observable.every == every:
            snapshot = _snapshot(observable, state, baseline, own_data)
            carry, record = _over_members(observable, observable.read, (0, _SNAPSHOT_AXES))(carry, snapshot)
            records |= _checked(observable, record)
        new.append(carry)
    return tuple(new), records


def flatten_time(observables, levels: list[int], records: dict) -> dict:
    """Records of nested scans, with an axis for each slower cadence, to one time axis."""
    num_axes = {v.name: len(levels) - levels.index(o.every) for o in observables for v in o.variables}
    return {name: a.reshape(-1, *a.shape[num_axes[name] :]) for name, a in records.items()}


def _checked(observable: Observable, record: dict) -> dict:
    names = {variable.name for variable in observable.variables}
    require(
        isinstance(record, dict) and set(record) == names,
        f"an observable that declares {sorted(names)} recorded {sorted(record) if isinstance(record, dict) else record}"
        ": `read` returns a dict with one array for each of `variables`",
    )
    return record


def _snapshot(observable: Observable, state: State, baseline: State, data) -> Snapshot:
    return Snapshot(baseline if observable.scope == "baseline" else state, baseline, data)


def _over_members(observable: Observable, fn, in_axes):
    return jax.vmap(fn, in_axes=in_axes) if observable.scope == "member" else fn
