"""The curvature of the loss along the path: leading eigenvalues, traces, and what lies along the eigenvectors."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import Batch, Dynamics, Observable, PyTree, Scope, State, Variable
from pathjax.curvature import gradient_covariance, precondition
from pathjax.observables.spectral_readings import (
    Search,
    check_sets,
    find_pairs,
    readings,
    variables_of,
    with_tangents,
)
from pathjax.training.loss import Loss
from pathjax.training.loss_of_weights import LossOfWeights


class Align(NamedTuple):
    """Vectors whose squared cosines with the eigenvectors are recorded.

    Attributes:
        gradient: the gradient on the set.
        displacement: from the baseline; its squared cosines are 0 for the baseline itself.
        update: dynamics, whose step with the set as its batch is the update; None: not recorded.
        tangents: an observable made by `pathjax.observables.lyapunov` with the same cadence, which is run along;
            None: not recorded.
    """

    gradient: bool = False
    displacement: bool = False
    update: Dynamics | None = None
    tangents: Observable | None = None


def curvature(
    key: Key[Array, ""],
    loss_fn: Callable | Loss,
    sets: Mapping[str, Any],
    *,
    every: int,
    search: Search = Search(),  # noqa: B008
    preconditioner: Callable[[State], PyTree] | None = None,
    align: Align = Align(),  # noqa: B008
    scope: Scope = "member",
) -> Observable:
    """Records the largest eigenvalues of the Hessian of the loss on each named set: its sharpness.

    Each search starts from the eigenvectors of the reading before. Records, for a set named "train":
        train_curvature (train_eigenvalue,): the eigenvalues, the largest first
        train_curvature_residual (train_eigenvalue,): |H v - value v|, which bounds the error
        train_curvature_products (): number of Hessian-vector products of the search
        train_curvature_trace, train_curvature_trace_error (): an estimate and its standard error, if the search has
            random vectors for it
        train_gradient_alignment (train_eigenvalue,), and the same for "displacement" and "update": the squared cosines
            between each eigenvector and the vectors of `align`
        train_tangent_alignment (tangent, train_eigenvalue): the same for Lyapunov vectors

    Args:
        key: typed PRNG key of random starts and probes.
        loss_fn: `loss_fn(params, examples)` returns the mean loss or that of each example; a `pathjax.Loss` says what
            else it takes.
        sets: name -> examples, as `loss_fn` takes them, or `NextBatch(dataset, schedule)`.
        every: steps between records.
        search: how many eigenvalues, and how exact.
        preconditioner: a function from the state to the diagonal of P, a tree like the weights: the eigenvalues are
            then those of P^(-1) H, and the eigenvectors those of P^(-1/2) H P^(-1/2), with which P^(-1/2) times the
            gradient and P^(1/2) times the other vectors are aligned. See `pathjax.curvature.adam_preconditioner`.
        align: vectors to compare the eigenvectors with.
        scope: "member", or "baseline" for the baseline alone, which costs less. With tangents it is the baseline.

    Returns:
        An Observable; its records are float arrays with the dimensions in brackets above, after (record, member), or
        (record,) for the baseline.

    Raises:
        InputError: if `sets` is empty, an option is out of range or unknown, or the loss fails on a set; when traced,
            if there are fewer weights than eigenvalues.

    Source: Cohen et al. 2021, arXiv 2103.00065 (sharpness along training).

    >>> bowl = lambda w, steep: 0.5 * jnp.sum(steep.mean(0) * w**2)
    >>> measure = curvature(jax.random.key(0), bowl, {"train": jnp.ones((8, 3))}, every=10)
    >>> [variable.name for variable in measure.variables]
    ['train_curvature', 'train_curvature_residual', 'train_curvature_products']
    """
    loss = _as_loss(loss_fn)
    check_sets(sets, search)
    _check_align(align)
    names = tuple(name for name in ("gradient", "displacement", "update") if getattr(align, name))

    def spectrum_of(state: State, batch: Batch, own, start: PyTree, baseline: PyTree, moving: PyTree):
        at = LossOfWeights(loss, state, batch, search.microbatch)
        product, metric = at.hessian(), None
        if preconditioner is not None:
            metric = preconditioner(state)
            shapes = [jax.tree.map(jnp.shape, tree) for tree in (metric, at.floats)]
            like = f"the preconditioner returned shapes {shapes[0]} for weights of shapes {shapes[1]}"
            require(shapes[0] == shapes[1], f"{like}: return a tree like them")
            product = precondition(product, metric)
        pairs, record = find_pairs(own, product, at.floats, start, search, "curvature")
        others = trees.split_floats(baseline)[0]
        vectors = {
            "gradient": lambda: _in_metric(at.gradient(), metric, -0.5),
            "displacement": lambda: _in_metric(trees.subtract(at.floats, others), metric, 0.5),
            "update": lambda: _in_metric(_update(align.update, state, batch), metric, 0.5),
        }
        record |= {f"{name}_alignment": _squared_cosines(pairs.vectors, vectors[name]()) for name in names}
        if moving is not None:
            along = jax.vmap(lambda one: _squared_cosines(pairs.vectors, _in_metric(one, metric, 0.5)))(moving)
            record |= {"tangent_alignment": along}
        return pairs.space, record

    variables = tuple(variable for name in sets for variable in _variables(name, search, names))
    of = "baseline" if align.tangents is not None else scope
    alone = readings(key, sets, every, of, search, spectrum_of, variables)
    return alone if align.tangents is None else with_tangents(alone, align.tangents, sets)


def gradient_noise(
    key: Key[Array, ""],
    loss_fn: Callable | Loss,
    sets: Mapping[str, Any],
    *,
    every: int,
    search: Search = Search(),  # noqa: B008
    scope: Scope = "member",
) -> Observable:
    """Records the largest eigenvalues of the covariance of single examples' gradients on each named set.

    Divided by the batch size, it is the covariance of the noise of a batch. Records, for a set named "train":
        train_noise (train_noise_eigenvalue,): the eigenvalues, the largest first
        train_noise_residual (train_noise_eigenvalue,), train_noise_products (): see `curvature`
        train_noise_trace, train_noise_trace_error (): an estimate and its standard error

    Args:
        loss_fn: returns the loss of each example.
        key, sets, every, search, scope: see `curvature`.

    Returns:
        An Observable; see `curvature`.

    Raises:
        InputError: if `sets` is empty or an option is out of range; when traced, if the loss does not return one value
            for each example.

    >>> losses = lambda w, x: (x @ w) ** 2
    >>> measure = gradient_noise(jax.random.key(0), losses, {"train": jnp.ones((8, 3))}, every=10)
    >>> [variable.name for variable in measure.variables]
    ['train_noise', 'train_noise_residual', 'train_noise_products']
    """
    loss = _as_loss(loss_fn)
    check_sets(sets, search)
    whole = "the covariance of gradients has no microbatch: give sets that fit into memory"
    require(search.microbatch is None, whole)

    def spectrum_of(state: State, batch: Batch, own, start: PyTree, baseline: PyTree, moving: PyTree):
        at = LossOfWeights(loss, state, batch)
        pairs, record = find_pairs(own, gradient_covariance(at.each, at.floats), at.floats, start, search, "noise")
        return pairs.space, record

    variables = tuple(v for name in sets for v in variables_of(name, "noise", f"{name}_noise_eigenvalue", search))
    return readings(key, sets, every, scope, search, spectrum_of, variables)


def _check_align(align: Align) -> None:
    require(isinstance(align, Align), f"align must be a pathjax.observables.Align, not {type(align).__name__}")
    dynamics = "update must be the dynamics whose step is the update, as made by pathjax.training_dynamics"
    require(align.update is None or isinstance(align.update, Dynamics), dynamics)
    tangents = "tangents must be an observable made by pathjax.observables.lyapunov"
    require(align.tangents is None or isinstance(align.tangents, Observable), tangents)


def _as_loss(loss_fn: Callable | Loss) -> Loss:
    return loss_fn if isinstance(loss_fn, Loss) else Loss(loss_fn)


def _update(dynamics: Any, state: State, batch: Batch) -> PyTree:
    before, after = (trees.split_floats(one.params)[0] for one in (state, dynamics.step(state, batch)[0]))
    return trees.subtract(after, before)


def _in_metric(vector: PyTree, metric: PyTree, power: float) -> PyTree:
    """Returns P^power times a vector: P^(1/2) for displacements, P^(-1/2) for gradients; P is 1 without a metric."""
    return vector if metric is None else jax.tree.map(lambda v, p: v * p**power, vector, metric)


def _squared_cosines(vectors: PyTree, other: PyTree) -> Array:
    along = jax.vmap(trees.dot, (0, None))(vectors, trees.wide(other))
    square = jnp.sum(trees.squared_norms(trees.wide(other)))
    return jnp.where(square > 0, along**2 / jnp.where(square > 0, square, 1), 0)


def _variables(name: str, search: Search, aligned: tuple[str, ...]) -> list[Variable]:
    dim = f"{name}_eigenvalue"
    found = variables_of(name, "curvature", dim, search)
    for what in aligned:
        label = f"squared cosine between the {what} and eigenvectors on the {name} set"
        found.append(Variable(f"{name}_{what}_alignment", (dim,), "1", label))
    return found
