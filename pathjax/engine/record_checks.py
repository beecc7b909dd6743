"""Checks of what observables declare and record, before a run: files and reports of the records rely on it."""

import re
from collections.abc import Sequence

import numpy as np

from pathjax.core.errors import require, require_count
from pathjax.core.types import Observable
from pathjax.engine.loop_types import Records

# Coordinates and dimensions of all records.
RESERVED = ("step", "member", "role", "epsilon", "seed", "at_step", "leaf", "leaf_module", "leaf_kind")

NEEDS = ("baseline", "gradients")


def check_declared(observables: Sequence[Observable]) -> None:
    """Checks names, dimensions, cadences, scopes and labels.

    Raises:
        InputError: for an invalid or repeated name, an unknown scope, or labels that differ.

    >>> check_declared([])
    """
    names = [variable.name for observable in observables for variable in observable.variables]
    for name in names:
        require(names.count(name) == 1, f"two observables record '{name}'; rename one of them")
        _check_name("an observable records", name)
    for observable in observables:
        scopes = ("baseline", "member", "ensemble")
        require_count("every", observable.every, 1)
        require(observable.scope in scopes, f"unknown scope '{observable.scope}'; choose one of {', '.join(scopes)}")
        is_tuple = isinstance(observable.needs, tuple)
        require(is_tuple, f"needs must be a tuple of names, such as ('baseline',), not {observable.needs!r}")
        for what in observable.needs:
            name = observable.variables[0].name if observable.variables else "an observable"
            require(what in NEEDS, f"'{name}' needs '{what}': choose from {', '.join(NEEDS)}")
        for variable in observable.variables:
            for dim in set(variable.dims) - {"leaf"}:
                _check_name(f"'{variable.name}' has the dimension", dim)
                require(dim not in names, f"'{dim}' is both a variable and a dimension; rename one of them")
    labels: dict[str, tuple] = {}
    for name, values in (coordinate for observable in observables for coordinate in observable.coords):
        if callable(values):  # of one observable's dimension; lengths are checked with the records
            continue
        same = labels.setdefault(name, values) == values
        require(same, f"two observables label '{name}' differently, {labels[name]} and {values}; give equal labels")


def _check_name(what: str, name: object) -> None:
    usable = isinstance(name, str) and name not in RESERVED and "/" not in name and name != ""
    usable = usable and not re.fullmatch(r"step_\d+", str(name))
    require(usable, f"{what} {name!r}; choose a name without '/', other than {', '.join(RESERVED)} or step_N")


def check_recorded(observables: Sequence[Observable], records: Records, num_leaves: int) -> None:
    """Checks that records agree in the length of each dimension, and with the labels.

    Args:
        observables: all of a rollout.
        records: arrays or shapes of the first records, with the declared dimensions last.
        num_leaves: number of the weights' float leaves, the length of the dimension "leaf".

    Raises:
        InputError: if two lengths differ.

    >>> check_recorded([], Records({}, {}), 1)
    """
    lengths = {"leaf": (num_leaves, "the weights' leaves")}
    for observable in observables:
        for name, values in observable.coords:
            if not callable(values):
                lengths[name] = (len(values), "its labels")
    for observable in observables:
        for name, dims, *_ in observable.variables:
            shape = np.shape((records.members | records.shared)[name])
            for dim, size in zip(dims, shape[len(shape) - len(dims) :], strict=True):
                known, source = lengths.setdefault(dim, (size, f"'{name}'"))
                message = f"'{name}' has {size} entries along '{dim}', but {source} {known}; give equal numbers"
                require(size == known, message)
