"""The permutation of hidden units that brings one network's weights, or its units' activations, nearest to another's.

Source: weight and activation matching (Ainsworth, Hayase, Srinivasa: Git Re-Basin, 2022), with more starts.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.symmetry.spec import PermutationSpec, identity, permute_axes, unflattened_leaves

MAX_SWEEPS = 100
PROGRESS = 1e-6  # of |a| |b|; less is rounding


class Matching(NamedTuple):
    """`permutation` of b's units, `similarity`, the inner product of a's weights with b's permuted ones, and which
    `start` led there: 0 is b as it is, 1 the guess, from 2 on the restarts."""

    permutation: dict[str, np.ndarray]
    similarity: float
    start: int


def match_weights(spec: PermutationSpec, a: PyTree, b: PyTree, *, num_restarts: int = 0, seed: int = 0) -> Matching:
    """Permute b to be as near to a as can be found: |a - permuted b| is to be small. The problem is NP-hard.

    One group of units at a time, which is a linear assignment (SciPy), until none gets nearer. It starts from b as it
    is, from a guess by each unit's weights in order of size, which other groups' permutations do not change, and from
    `num_restarts` random permutations; the best end is taken.

    Args:
        spec: see `infer_spec`.
        a, b: weights of two networks of one shape; used on the host.
        num_restarts: random starts.
        seed: of the restarts, and of the order in which groups take their turns.

    Returns:
        A Matching.

    Raises:
        InputError: for weights that are not finite, or not the spec's.

    >>> spec = PermutationSpec({"w": ("hidden", None)}, {"hidden": 3})
    >>> a = {"w": np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]])}
    >>> match_weights(spec, a, {"w": a["w"][[1, 2, 0]]}).permutation["hidden"].tolist()
    [2, 0, 1]
    """
    require(isinstance(num_restarts, int) and num_restarts >= 0, f"num_restarts {num_restarts!r}: choose 0 or more")
    pairs = _pairs(spec, a, b)
    require(all(np.isfinite(x).all() for _, *both in pairs for x in both), "weights that are no numbers match nothing")
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
    """Permute b's units so that their activations are nearest to a's, each group by itself: sum |Z_a - Z_b permuted|^2.

    Args:
        a, b: for each group the activations of its units on the same examples, (n, units); more axes before the last
            count as examples. See `group_activations`.

    Returns:
        A Matching.

    Raises:
        InputError: for other groups or shapes in b than in a, or activations that are not finite.

    >>> z = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])
    >>> match_activations({"hidden": z}, {"hidden": z[:, [1, 2, 0]]})["hidden"].tolist()
    [2, 0, 1]
    """
    gains = activation_gains(*({group: _as_float(z) for group, z in side.items()} for side in (a, b)))
    finite = all(np.isfinite(matrix).all() for matrix in gains.values())
    require(finite, "activations that are no numbers, or whose products are none, match nothing")
    return assign(gains)


def activation_gains(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """For each group, inner products of the activations of a's units (rows) and of b's (columns); NumPy or JAX.

    >>> activation_gains({"hidden": np.eye(2)}, {"hidden": 3 * np.eye(2)})["hidden"].tolist()
    [[3.0, 0.0], [0.0, 3.0]]
    """
    shapes = [{group: z.shape for group, z in side.items()} for side in (a, b)]
    require(shapes[0] == shapes[1], f"activations have shapes {shapes[0]} and {shapes[1]}: they must be the same")
    return {group: _columns(a[group]).T @ _columns(b[group]) for group in a}


def assign(gains: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """For each group, the permutation of columns that brings most: a linear assignment.

    >>> assign({"hidden": np.array([[0.0, 1.0], [1.0, 0.0]])})["hidden"].tolist()
    [1, 0]
    """
    return {group: _assign(np.asarray(matrix)) for group, matrix in gains.items()}


def group_activations(spec: PermutationSpec, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The activations of each group of units, from outputs by layer: the first layer's whose bias is of the group.

    Args:
        spec: see `infer_spec`.
        outputs: float arrays by layer, as `pathjax.models.layer_outputs` makes them.

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
        (group,) = spec.axes.get(f"{layer}/bias", (None,))[-1:]
        if isinstance(group, str) and group not in found:
            found[group] = values
    missing = [group for group in spec.sizes if group not in found]
    require(not missing, f"no layer's outputs are those of {missing}: give outputs of layers with a bias in each group")
    return found


class _Pair(NamedTuple):
    """A leaf of both networks with the groups of its axes."""

    groups: tuple[str | None, ...]
    a: np.ndarray
    b: np.ndarray


def _pairs(spec: PermutationSpec, a: PyTree, b: PyTree) -> list[_Pair]:
    unflattened_leaves(spec, b)  # for what it raises
    both = zip(unflattened_leaves(spec, a), jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return [
        _Pair(own.groups, *(_as_float(leaf).reshape(own.shape) for leaf in leaves))
        for own, *leaves in both
        if any(own.groups)
    ]


def _as_float(array) -> np.ndarray:
    """Products of integers would overflow, and half precision has no fast ones."""
    array = np.asarray(array)
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype.itemsize == 2 else float)


def _rescaled(pairs: list[_Pair]) -> tuple[list[_Pair], float]:
    """Both networks with a largest weight of 1, so that no product overflows, and the factor of the similarity."""
    a, b = (max((float(np.max(np.abs(x), initial=0)) for x in side), default=0.0) or 1.0 for side in _sides(pairs))
    scaled = [pair._replace(a=pair.a / pair.a.dtype.type(a), b=pair.b / pair.b.dtype.type(b)) for pair in pairs]
    return scaled, a * b


def _sides(pairs: list[_Pair]):
    return [pair.a for pair in pairs], [pair.b for pair in pairs]


class _Gains(NamedTuple):
    """Of each group: what it brings to give each unit of a (row) each of b (column), in `still` by leaves that no other
    group moves; the leaves, with the group's axis, that others do; and `halves` of the units' squared lengths."""

    still: dict[str, Any]
    moving: dict[str, list[tuple[_Pair, int]]]
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
                gains.moving[group].append((pair, axis))
            else:
                gains.still[group] = gains.still[group] + _rows(pair.a, axis) @ _rows(pair.b, axis).T
    return gains


def _gains_now(gains: _Gains, permutation, group: str) -> np.ndarray:
    """All of a group's gains, while the other groups stay as they are."""
    total = gains.still[group]
    for (groups, a, b), axis in gains.moving[group]:
        total = total + _rows(a, axis) @ _rows(permute_axes(groups, permutation, b, but=axis), axis).T
    return total


def _descend(spec, pairs, known: _Gains, permutation, rng):
    """Groups in turns, in random order, until a whole round brings nothing."""
    a, b = _sides(pairs)
    least = PROGRESS * _length(a) * _length(b)
    permutation = dict(permutation)
    for _ in range(MAX_SWEEPS):
        moved = False
        for group in rng.permutation(list(spec.sizes)):
            gains = _gains_now(known, permutation, group)
            proposal = permutation | {group: _assign(gains, known.halves[group])}
            if _gained(pairs, permutation, proposal, group, gains) > least:
                permutation, moved = proposal, True
        if not moved:
            break
    return permutation, _similarity(pairs, permutation)


def _gained(pairs, before, after, group, gains) -> float:
    """What a group's move brings; where it has two axes of one leaf, the gains hold for one of them moved alone."""
    if any(groups.count(group) > 1 for groups, _, _ in pairs):
        return _similarity(pairs, after) - _similarity(pairs, before)
    rows = np.arange(len(gains))
    return float(np.sum(gains[rows, after[group]] - gains[rows, before[group]], dtype=float))


def _assign(gains: np.ndarray, halves: np.ndarray | float = 0.0) -> np.ndarray:
    """The permutation of columns that brings most.

    What is subtracted from whole rows and columns changes no solution. With `halves` the cost is half a squared
    distance, and with a least cost of 0 in each row and column SciPy starts near the end: it takes a third of the time.
    """
    from scipy.optimize import linear_sum_assignment  # late: it takes longer to import than all of pathjax

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
    """From each unit's weights in order of size along all axes that may be permuted: what no permutation changes."""
    gains: dict[str, Any] = dict.fromkeys(spec.sizes, 0)
    for groups, a, b in pairs:
        for axis, group in enumerate(groups):
            if group is not None:
                gains[group] = gains[group] + _in_order(groups, a, axis) @ _in_order(groups, b, axis).T
    return assign(gains)


def _in_order(groups, array, axis) -> np.ndarray:
    others = [group for i, group in enumerate(groups) if i != axis]
    fixed = [i + 1 for i, group in enumerate(others) if group is None]
    free = [i + 1 for i, group in enumerate(others) if group is not None]
    moved = np.moveaxis(array, axis, 0).transpose(0, *fixed, *free)
    kept = moved.reshape(*moved.shape[: 1 + len(fixed)], -1)
    return np.sort(kept, axis=-1).reshape(len(moved), -1)
