"""Finds the permutation of hidden units that brings one network's weights or activations closest to another's.

Source: weight and activation matching (Ainsworth, Hayase, Srinivasa: Git Re-Basin, 2022), with more starts.
"""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.networks import as_network
from pathjax.core.types import PyTree
from pathjax.symmetry.spec import PermutationSpec, identity, permute_axes, unflattened_leaves

MAX_SWEEPS = 100
PROGRESS = 1e-6  # the least gain, relative to |a| |b|; less is rounding


@shown_in_short
class Matching(NamedTuple):
    """`permutation` of b's units; `similarity`, the inner product of a's weights with b's permuted weights; and the
    `start` that led to it: 0 is the identity, 1 the guess, and 2 onwards are the restarts."""

    permutation: dict[str, np.ndarray]
    similarity: float
    start: int


def match_weights(spec: PermutationSpec, a: PyTree, b: PyTree, *, num_restarts: int = 0, seed: int = 0) -> Matching:
    """Searches for a permutation of b that minimizes |a - permuted b|, an NP-hard problem.

    It permutes one group of units at a time, a linear assignment (SciPy), until no group improves. It starts from the
    identity, from a guess based on each unit's sorted weights, which other groups' permutations do not change, and
    from `num_restarts` random permutations, and returns the best result.

    Args:
        spec: see `infer_spec`.
        a, b: weights of two networks of the same shape; used on the host. Of a `pathjax.Network` only the weights are
            compared; `permute` then moves the model's state along with them.
        num_restarts: number of random starts.
        seed: of the restarts and of the order of the groups.

    Returns:
        A Matching.

    Raises:
        InputError: if weights are not finite or do not match the spec.

    >>> spec = PermutationSpec({"w": ("hidden", None)}, {"hidden": 3})
    >>> a = {"w": np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]])}
    >>> match_weights(spec, a, {"w": a["w"][[1, 2, 0]]}).permutation["hidden"].tolist()
    [2, 0, 1]
    """
    is_count = isinstance(num_restarts, int) and num_restarts >= 0
    require(is_count, f"num_restarts must be a nonnegative integer, not {num_restarts!r}")
    pairs = _pairs(spec, a, b)
    require(all(np.isfinite(x).all() for _, *both in pairs for x in both), "weights must be finite to be matched")
    pairs, scale = _rescaled(pairs)
    rng = np.random.default_rng(seed)
    starts = [identity(spec), _guess(spec, pairs)]
    starts += [{group: rng.permutation(size) for group, size in spec.sizes.items()} for _ in range(num_restarts)]
    gains = _gains(spec, pairs)
    ends = [_descend(spec, pairs, gains, start, rng) for start in starts]
    best = max(range(len(ends)), key=lambda i: ends[i][1])
    permutation, similarity = ends[best]
    return Matching(permutation, similarity * scale, best)


def match_activations(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Finds the permutation of b's units that minimizes sum |Z_a - Z_b permuted|^2 over activations Z, for each group.

    Args:
        a, b: for each group the activations of its units on the same examples, (n, units); further axes before the last
            count as examples. See `group_activations`.

    Returns:
        {group: int (units,)}, the permutation.

    Raises:
        InputError: if groups or shapes of a and b differ, or activations are not finite.

    >>> z = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])
    >>> match_activations({"hidden": z}, {"hidden": z[:, [1, 2, 0]]})["hidden"].tolist()
    [2, 0, 1]
    """
    gains = activation_gains(*({group: _as_float(z) for group, z in side.items()} for side in (a, b)))
    finite = all(np.isfinite(matrix).all() for matrix in gains.values())
    require(finite, "activations and their products must be finite to be matched")
    return assign(gains)


def activation_gains(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Computes for each group the inner products of a's (rows) and b's (columns) activations; NumPy or JAX.

    >>> activation_gains({"hidden": np.eye(2)}, {"hidden": 3 * np.eye(2)})["hidden"].tolist()
    [[3.0, 0.0], [0.0, 3.0]]
    """
    shapes = [{group: z.shape for group, z in side.items()} for side in (a, b)]
    require(shapes[0] == shapes[1], f"activations must have the same shapes, not {shapes[0]} and {shapes[1]}")
    return {group: _columns(a[group]).T @ _columns(b[group]) for group in a}


def assign(gains: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Finds the permutation of columns with the largest gain for each group: a linear assignment.

    >>> assign({"hidden": np.array([[0.0, 1.0], [1.0, 0.0]])})["hidden"].tolist()
    [1, 0]
    """
    return {group: _assign(np.asarray(matrix)) for group, matrix in gains.items()}


def group_activations(spec: PermutationSpec, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the activations of each group of units: the outputs of the first layer whose bias belongs to the group.

    Args:
        spec: see `infer_spec`.
        outputs: float arrays by layer, as `pathjax.models.intermediates.layer_outputs` returns them.

    Returns:
        {group: float (n, ..., units)}.

    Raises:
        InputError: if a group has no such layer.

    >>> spec = PermutationSpec({"Dense_0/bias": ("hidden",)}, {"hidden": 3})
    >>> group_activations(spec, {"Dense_0": np.ones((5, 3))})["hidden"].shape
    (5, 3)
    """
    found: dict[str, Any] = {}
    for layer, values in outputs.items():
        of_bias = spec.axes.get(f"{layer}/bias") or spec.axes.get(f"params/{layer}/bias") or (None,)
        (group,) = of_bias[-1:]
        if isinstance(group, str) and group not in found:
            found[group] = values
    missing = [group for group in spec.sizes if group not in found]
    require(not missing, f"no layer's outputs belong to {missing}: each group needs a layer with a bias in it")
    return found


class _Pair(NamedTuple):
    """A leaf of both networks, and the groups of its axes."""

    groups: tuple[str | None, ...]
    a: np.ndarray
    b: np.ndarray


def _pairs(spec: PermutationSpec, a: PyTree, b: PyTree) -> list[_Pair]:
    unflattened_leaves(spec, b)  # only to check b
    both = zip(unflattened_leaves(spec, a), jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    weights = len(jax.tree.leaves(as_network(a).params))  # the first leaves; the others are the model's state
    return [
        _Pair(own.groups, *(_as_float(leaf).reshape(own.shape) for leaf in leaves))
        for own, *leaves in itertools.islice(both, weights)
        if any(own.groups)
    ]


def _as_float(array) -> np.ndarray:
    """Converts to floats: products of integers would overflow, and products in half precision are slow."""
    array = np.asarray(array)
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype.itemsize == 2 else float)


def _rescaled(pairs: list[_Pair]) -> tuple[list[_Pair], float]:
    """Both networks scaled to a largest weight of 1, so that no product overflows, and the factor of the similarity."""
    a, b = (max((float(np.max(np.abs(x), initial=0)) for x in side), default=0.0) or 1.0 for side in _sides(pairs))
    scaled = [pair._replace(a=pair.a / pair.a.dtype.type(a), b=pair.b / pair.b.dtype.type(b)) for pair in pairs]
    return scaled, a * b


def _sides(pairs: list[_Pair]):
    return [pair.a for pair in pairs], [pair.b for pair in pairs]


class _Gains(NamedTuple):
    """For each group: `constant`, the gain of assigning each unit of b (column) to each unit of a (row) in leaves that
    no other group permutes; `varying`, the leaves that other groups permute, with the group's axis; and `halves`, half
    the units' squared norms."""

    constant: dict[str, Any]
    varying: dict[str, list[tuple[_Pair, int]]]
    halves: dict[str, Any]


def _gains(spec: PermutationSpec, pairs: list[_Pair]) -> _Gains:
    gains = _Gains(dict.fromkeys(spec.sizes, 0), {group: [] for group in spec.sizes}, dict.fromkeys(spec.sizes, 0))
    for pair in pairs:
        for axis, group in enumerate(pair.groups):
            if group is None:
                continue
            lengths = [np.square(_rows(own, axis)).sum(1) / 2 for own in (pair.a, pair.b)]
            gains.halves[group] = gains.halves[group] + lengths[0][:, None] + lengths[1][None]
            if any(other is not None for i, other in enumerate(pair.groups) if i != axis):
                gains.varying[group].append((pair, axis))
            else:
                gains.constant[group] = gains.constant[group] + _rows(pair.a, axis) @ _rows(pair.b, axis).T
    return gains


def _current_gains(gains: _Gains, permutation, group: str) -> np.ndarray:
    """A group's total gains, given the permutations of the other groups."""
    total = gains.constant[group]
    for (groups, a, b), axis in gains.varying[group]:
        total = total + _rows(a, axis) @ _rows(permute_axes(groups, permutation, b, but=axis), axis).T
    return total


def _descend(spec, pairs, known: _Gains, permutation, rng):
    """Coordinate descent: permutes one group after another in random order until a sweep gains nothing."""
    a, b = _sides(pairs)
    least = PROGRESS * _length(a) * _length(b)
    permutation = dict(permutation)
    for _ in range(MAX_SWEEPS):
        moved = False
        for group in rng.permutation(list(spec.sizes)):
            gains = _current_gains(known, permutation, group)
            proposal = permutation | {group: _assign(gains, known.halves[group])}
            if _improvement(pairs, permutation, proposal, group, gains) > least:
                permutation, moved = proposal, True
        if not moved:
            break
    return permutation, _similarity(pairs, permutation)


def _improvement(pairs, before, after, group, gains) -> float:
    """The change of the similarity. If a group has two axes of one leaf, gains only hold for permuting one of them."""
    if any(groups.count(group) > 1 for groups, _, _ in pairs):
        return _similarity(pairs, after) - _similarity(pairs, before)
    rows = np.arange(len(gains))
    return float(np.sum(gains[rows, after[group]] - gains[rows, before[group]], dtype=float))


def _assign(gains: np.ndarray, halves: np.ndarray | float = 0.0) -> np.ndarray:
    """The permutation of columns with the largest gain.

    Subtracting constants from rows and columns does not change the solution. With `halves` the cost is half a squared
    distance, and with a minimum of 0 in each row and column SciPy starts near the solution: it takes a third of the
    time.
    """
    from scipy.optimize import linear_sum_assignment  # local, as its import takes longer than that of pathjax

    cost = halves - gains
    cost = cost - cost.min(1, keepdims=True)
    return linear_sum_assignment(cost - cost.min(0, keepdims=True))[1]


def _rows(array: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _columns(array):
    return array.reshape(-1, array.shape[-1])


def _similarity(pairs, permutation) -> float:
    return sum(float(np.vdot(a, permute_axes(groups, permutation, b))) for groups, a, b in pairs)


def _length(arrays) -> float:
    return float(np.sqrt(sum(np.sum(np.square(array, dtype=float)) for array in arrays)))


def _guess(spec, pairs) -> dict[str, np.ndarray]:
    """Matches units by their weights, sorted along all other permutable axes: no permutation changes these."""
    gains: dict[str, Any] = dict.fromkeys(spec.sizes, 0)
    for groups, a, b in pairs:
        for axis, group in enumerate(groups):
            if group is not None:
                gains[group] = gains[group] + _sorted_rows(groups, a, axis) @ _sorted_rows(groups, b, axis).T
    return assign(gains)


def _sorted_rows(groups, array, axis) -> np.ndarray:
    others = [group for i, group in enumerate(groups) if i != axis]
    fixed = [i + 1 for i, group in enumerate(others) if group is None]
    free = [i + 1 for i, group in enumerate(others) if group is not None]
    moved = np.moveaxis(array, axis, 0).transpose(0, *fixed, *free)
    kept = moved.reshape(*moved.shape[: 1 + len(fixed)], -1)
    return np.sort(kept, axis=-1).reshape(len(moved), -1)
