"""Readings of a matrix's leading eigenvalues, member by member, each search warmed by the one before."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core import trees
from pathjax.core.errors import InputError, require, require_count
from pathjax.core.types import Batch, Observable, PyTree, Snapshot, State, Variable
from pathjax.curvature import Eigenpairs, empty_space, estimate_trace, leading_eigenpairs
from pathjax.tangents.propagate import from_groups
from pathjax.training.schedule import Schedule, count_examples, take_batch


class NextBatch(NamedTuple):
    """In place of the examples of a set: the batch of the step that comes next, or, at the end, of the last one."""

    dataset: PyTree
    schedule: Schedule


class Search(NamedTuple):
    """How eigenvalues are found.

    Attributes:
        num_eigenvalues: number of the largest eigenvalues. Equal ones are found twice at most.
        tolerance: see `pathjax.curvature.leading_eigenpairs`.
        max_products: the largest number of products of the first search, if it is at least `num_eigenvalues`.
        max_warm_products: that of later ones, which start from the one before; see the residuals.
        num_probes: number of random vectors for the trace, 2 or more; 16 give its standard error within about a fifth.
            0: no trace.
        microbatch: number of examples per product; the products of all parts of a set are summed. None: the whole set.
    """

    num_eigenvalues: int = 1
    tolerance: float = 1e-3
    max_products: int = 200
    max_warm_products: int = 25
    num_probes: int = 0
    microbatch: int | None = None


def find_pairs(key, product, floats: PyTree, start: PyTree, search: Search, name: str) -> tuple[Eigenpairs, dict]:
    """Returns the leading eigenpairs, and what is recorded of them."""
    keys = jax.random.split(key)
    options = {name: getattr(search, name) for name in ("tolerance", "max_products", "max_warm_products")}
    pairs = leading_eigenpairs(keys[0], product, floats, search.num_eigenvalues, start=start, **options)
    record = {name: pairs.values, f"{name}_residual": pairs.residuals, f"{name}_products": pairs.num_products}
    if search.num_probes:
        trace = estimate_trace(keys[1], product, floats, search.num_probes, pairs)
        record |= {f"{name}_trace": trace.value, f"{name}_trace_error": trace.error}
    return pairs, record


class _Carry(NamedTuple):
    """The step at which the run began, and each set's space to search from."""

    first_step: Array
    spaces: dict[str, PyTree]


def readings(key, sets, every, scope, search: Search, spectrum_of, variables) -> Observable:
    """Returns the observable that calls `spectrum_of` on each set, for one member after the other."""
    names = tuple(sets)
    require(scope in ("member", "baseline"), f"scope must be 'member' or 'baseline', not {scope!r}")

    def init(snapshot: Snapshot) -> _Carry:
        floats, _ = trees.split_floats(snapshot.state.params)
        spaces = {name: empty_space(floats, search.num_eigenvalues) for name in names}
        return _Carry(jnp.asarray(snapshot.state.step), spaces)

    def of_member(carry: _Carry, state: State, baseline: PyTree, data: tuple, moving: PyTree):
        key, given = data
        record: dict[str, Array] = {}
        spaces = {}
        for i, name in enumerate(names):
            own = jax.random.fold_in(jax.random.fold_in(key, i), state.step)
            batch = _batch_of(given[name], state, carry.first_step, own)
            with _naming(name):
                spaces[name], found = spectrum_of(state, batch, own, carry.spaces[name], baseline, moving)
            record |= {f"{name}_{what}": value for what, value in found.items()}
        return carry._replace(spaces=spaces), record

    def read(carry: _Carry, snapshot: Snapshot, moving: PyTree = None):
        given = (carry, snapshot.state, snapshot.baseline.params, snapshot.data, moving)
        return (_one_by_one(of_member) if scope == "member" else of_member)(*given)

    return Observable(init, read, None, every, scope, variables, (key, dict(sets)), _coords(variables, search))


def check_sets(sets: Mapping[str, Any], search: Search) -> None:
    """Checks the sets of examples and the options of a search.

    >>> check_sets({"train": jnp.ones((8, 3))}, Search())
    """
    require(isinstance(search, Search), f"search must be a pathjax.observables.Search, not {type(search).__name__}")
    require(search.tolerance > 0, f"tolerance must be positive, not {search.tolerance}")
    require_count("num_eigenvalues", search.num_eigenvalues, 1)
    require_count("num_probes", search.num_probes, 0)
    require(search.num_probes != 1, "num_probes must be 0, or 2 or more, so that the trace has an error")
    named = "sets must be a dict of examples by name, such as {'train': examples}"
    require(isinstance(sets, Mapping), f"{named}, not {type(sets).__name__}")
    require(len(sets) > 0, "no set of examples: give at least one, by name")
    for name, given in sets.items():
        count_examples(given.dataset if isinstance(given, NextBatch) else given, f"the set '{name}'")
        has_schedule = not isinstance(given, NextBatch) or isinstance(given.schedule, Schedule)
        require(has_schedule, f"the set '{name}' is a NextBatch without a schedule: give the rollout's schedule")


@contextlib.contextmanager
def _naming(name: str):
    """Adds the name of a set to errors."""
    try:
        yield
    except InputError as error:
        raise InputError(f"on the set '{name}': {error}") from error


def _one_by_one(fn: Callable) -> Callable:
    """Returns a function that vmap runs member by member on a CPU, where the vectors of several overflow its cache."""
    return jax.custom_batching.sequential_vmap(fn) if jax.default_backend() == "cpu" else fn


def _batch_of(given: Any, state: State, first_step: Array, key) -> Batch:
    if isinstance(given, NextBatch):
        rows = (given.schedule.indices, given.schedule.weights)
        place = jnp.clip(state.step - first_step, 0, len(given.schedule.indices) - 1)
        return take_batch(given.dataset, given.schedule.key, state, jax.tree.map(lambda a: a[place], rows))
    return Batch(given, None, key, given, state.step)


def with_tangents(alone: Observable, tangents: Observable, sets) -> Observable:
    """Returns both observables as one, in which the first sees the tangents of the second."""
    pushes = tangents.scope == "baseline" and tangents.update is not None and len(tangents.coords) == 1
    expected = f"align.tangents must be an observable made by `lyapunov` with every={alone.every}"
    require(pushes and tangents.every == alone.every, expected)
    of_sets = tuple(
        Variable(
            f"{name}_tangent_alignment",
            (tangents.coords[0][0], f"{name}_eigenvalue"),
            "1",
            f"squared cosine between tangents' weights and eigenvectors on the {name} set",
        )
        for name in sets
    )
    bare, pushing = alone._replace(data=None), tangents._replace(data=None)

    def own(snapshot: Snapshot, i: int) -> Snapshot:
        return snapshot._replace(data=snapshot.data[i])

    def init(snapshot: Snapshot):
        return bare.init(own(snapshot, 0)), pushing.init(own(snapshot, 1))

    def read(carry, snapshot: Snapshot):
        pushed, growth = pushing.read(carry[1], own(snapshot, 1))
        read_with: Callable = bare.read
        found, record = read_with(carry[0], own(snapshot, 0), from_groups(pushed[0]).params)
        return (found, pushed), growth | record

    def update(carry, transition):
        push: Any = pushing.update
        return carry[0], push(carry[1], transition._replace(data=transition.data[1]))

    return Observable(
        init,
        read,
        update,
        alone.every,
        "baseline",
        (*tangents.variables, *alone.variables, *of_sets),
        (alone.data, tangents.data),
        (*tangents.coords, *alone.coords),
    )


def variables_of(name: str, what: str, dim: str, search: Search) -> list[Variable]:
    """Returns the variables of `find_pairs` for a set."""
    words = {"curvature": "the Hessian", "noise": "the covariance of gradients"}[what]
    units = {"curvature": "loss/weight^2", "noise": "(loss/weight)^2"}[what]
    found = [
        Variable(f"{name}_{what}", (dim,), units, f"largest eigenvalues of {words} on the {name} set"),
        Variable(f"{name}_{what}_residual", (dim,), units, f"residuals of the eigenvalues of {words}"),
        Variable(f"{name}_{what}_products", (), "products", f"products with {words} that the search took"),
    ]
    if search.num_probes:
        found.append(Variable(f"{name}_{what}_trace", (), units, f"estimated trace of {words} on the {name} set"))
        found.append(Variable(f"{name}_{what}_trace_error", (), units, f"standard error of {name}_{what}_trace"))
    return found


def _coords(variables, search: Search) -> tuple:
    dims = dict.fromkeys(dim for variable in variables for dim in variable.dims)
    return tuple((dim, tuple(range(search.num_eigenvalues))) for dim in dims)
