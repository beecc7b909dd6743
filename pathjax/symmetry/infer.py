"""Which axes of a network's weights can be permuted together, read off the program that computes it.

Each axis of each array gets a label. Operations tie labels together (the two contracted axes of a product, the axes of
two summands), or fix them (an axis that is sliced, sorted, or given to an operation that is not known here). Axes of
inputs and outputs are fixed. If each operation gives permuted results for operands that are permuted along equal
labels, so does the whole, and its outputs, which nothing permutes, stay as they are. So what is found is a symmetry;
where an operation is not known, some may be missed.
"""

import math
import re
from collections.abc import Callable

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from pathjax import trees
from pathjax.symmetry.spec import PermutationSpec
from pathjax.typing import PyTree

ELEMENTWISE = frozenset(
    re.findall(
        r"\w+",
        """abs add add_any and atan2 cbrt ceil clamp convert_element_type copy cos cosh div eq erf erf_inv erfc exp exp2
        expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min mul ne neg nextafter not
        optimization_barrier or pow real reduce_precision rem round rsqrt select_n sign sin sinh sqrt square
        stop_gradient sub tan tanh xor""",
    )
)
REDUCTIONS = frozenset(f"reduce_{what}" for what in ("sum", "max", "min", "prod", "and", "or", "xor"))
CALLS = re.compile("p?jit|closed_call|core_call|custom_[jv]+p_call(_jaxpr)?|remat2?|checkpoint")
FIXED = 0


def infer_spec(apply: Callable, params: PyTree, *inputs) -> PermutationSpec:
    """The permutation symmetries of `apply(params, *inputs)`.

    Groups are named "P0", "P1", ... in the order of the leaves. An axis that is flattened together with another one
    (a convolution's channels before a dense layer, say) is held fixed, and so is what is tied to it.

    >>> import jax.numpy as jnp
    >>> params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((5, 2))}
    >>> infer_spec(lambda w, x: jnp.tanh(x @ w["w0"]) @ w["w1"], params, jnp.ones((1, 3))).axes
    {'w0': (None, 'P0'), 'w1': ('P0', None)}
    """
    closed = jax.make_jaxpr(apply)(params, *inputs)
    labels = _Labels()
    leaves = jax.tree.leaves(params)
    of_leaves = [labels.fresh(np.ndim(leaf)) for leaf in leaves]
    of_inputs = [(FIXED,) * np.ndim(leaf) for leaf in jax.tree.leaves(inputs)]
    for outcome in _run(labels, closed.jaxpr, [_of_constant(labels, c) for c in closed.consts], of_leaves + of_inputs):
        labels.tie(*outcome, FIXED)
    return _as_spec(labels, params, of_leaves)


class _Labels:
    """Labels, and which of them were tied together (union-find)."""

    def __init__(self):
        self._parents = [FIXED]

    def fresh(self, num: int) -> tuple[int, ...]:
        first = len(self._parents)
        self._parents += range(first, first + num)
        return tuple(range(first, first + num))

    def find(self, label: int) -> int:
        while self._parents[label] != label:
            label = self._parents[label]
        return label

    def tie(self, *labels: int) -> int:
        roots = [self.find(label) for label in labels]
        for root in roots:
            self._parents[root] = min(roots)
        return min(roots, default=FIXED)


def _as_spec(labels: _Labels, params: PyTree, of_leaves) -> PermutationSpec:
    names: dict[int, str] = {}
    axes, sizes = {}, {}
    for name, leaf, own in zip(trees.leaf_names(params), jax.tree.leaves(params), of_leaves, strict=True):
        groups: list[str | None] = []
        for label, size in zip(own, np.shape(leaf), strict=True):
            root = labels.find(label)
            if root == FIXED or size < 2:
                groups.append(None)
                continue
            groups.append(names.setdefault(root, f"P{len(names)}"))
            sizes[names[root]] = size
        axes[name] = tuple(groups)
    return PermutationSpec(axes, sizes)


def _of_constant(labels: _Labels, constant) -> tuple[int, ...]:
    """An axis along which a constant does not change is as good as one that is not there."""
    array = np.asarray(constant)
    uniform = [array.size == 0 or bool(np.all(array == array.take([0], axis))) for axis in range(array.ndim)]
    return tuple(labels.fresh(1)[0] if same else FIXED for same in uniform)


def _run(labels: _Labels, jaxpr, of_consts, of_args) -> list[tuple[int, ...]]:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*of_consts, *of_args], strict=True))

    def read(atom):
        return labels.fresh(np.ndim(atom.val)) if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        outcomes = _apply(labels, eqn, [read(atom) for atom in eqn.invars])
        known |= dict(zip(eqn.outvars, outcomes, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(labels: _Labels, eqn, args) -> list[tuple[int, ...]]:
    name = eqn.primitive.name
    inner = _called(eqn)
    if inner is not None:
        return _run(labels, inner.jaxpr, [_of_constant(labels, c) for c in inner.consts], args)
    if name in ELEMENTWISE:
        return [_elementwise(labels, args, out.aval.ndim) for out in eqn.outvars]
    if name in REDUCTIONS:
        return [tuple(label for axis, label in enumerate(args[0]) if axis not in eqn.params["axes"])]
    rule = _RULES.get(name)
    return [rule(labels, eqn, *args)] if rule else _unknown(labels, eqn, args)


def _called(eqn):
    """The program that an operation only calls."""
    if not CALLS.fullmatch(eqn.primitive.name):
        return None
    inner = next(eqn.params[key] for key in ("call_jaxpr", "jaxpr", "fun_jaxpr") if key in eqn.params)
    return inner if hasattr(inner, "consts") else ClosedJaxpr(inner, ())


def _unknown(labels, eqn, args):
    for own in args:
        labels.tie(*own, FIXED)
    return [(FIXED,) * out.aval.ndim for out in eqn.outvars]


def _elementwise(labels, args, num):
    return tuple(labels.tie(*(own[axis] for own in args if own)) for axis in range(num))


def _dot_general(labels, eqn, left, right):
    (left_sum, right_sum), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    for a, b in zip((*left_sum, *left_batch), (*right_sum, *right_batch), strict=True):
        labels.tie(left[a], right[b])
    rest = [left[a] for a in range(len(left)) if a not in (*left_sum, *left_batch)]
    rest += [right[b] for b in range(len(right)) if b not in (*right_sum, *right_batch)]
    return (*(left[a] for a in left_batch), *rest)


def _broadcast_in_dim(labels, eqn, operand, *_):
    out = list(labels.fresh(len(eqn.params["shape"])))
    before = eqn.invars[0].aval.shape
    for axis, place in enumerate(eqn.params["broadcast_dimensions"]):
        if before[axis] == eqn.params["shape"][place]:
            out[place] = operand[axis]
    return tuple(out)


def _reshape(labels, eqn, operand, *_):
    """Axes of length 1 come and go; any other that is not alone with one of its length is fixed."""
    before, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    out = list(labels.fresh(len(after)))
    i = j = 0
    while i < len(before) or j < len(after):
        if i < len(before) and before[i] == 1:
            i += 1
        elif j < len(after) and after[j] == 1:
            j += 1
        else:
            ends = _next_block(before[i:], after[j:])
            if ends == (1, 1):
                out[j] = operand[i]
            else:
                labels.tie(*operand[i : i + ends[0]], FIXED)
                out[j : j + ends[1]] = [FIXED] * ends[1]
            i, j = i + ends[0], j + ends[1]
    return tuple(out)


def _next_block(before, after):
    """How many of the first axes on both sides have the same product."""
    i = j = 1
    while math.prod(before[:i]) != math.prod(after[:j]):
        if math.prod(before[:i]) < math.prod(after[:j]):
            i += 1
        else:
            j += 1
    return i, j


def _squeeze(labels, eqn, operand):
    return tuple(label for axis, label in enumerate(operand) if axis not in eqn.params["dimensions"])


def _expand_dims(labels, eqn, operand):
    rest = iter(operand)
    new = eqn.params["dimensions"]
    return tuple(labels.fresh(1)[0] if axis in new else next(rest) for axis in range(eqn.outvars[0].aval.ndim))


def _transpose(labels, eqn, operand):
    return tuple(operand[axis] for axis in eqn.params["permutation"])


def _same_length(labels, eqn, operand, *_):
    """Slices and paddings: axes that keep their length stay, in the order that they have."""
    pairs = zip(operand, eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape, strict=True)
    return tuple(label if before == after else labels.tie(label, FIXED) for label, before, after in pairs)


def _along(key):
    """Operations that mix the places of some axes in their order: sums so far, reversal, sorting, joining."""

    def rule(labels, eqn, *args):
        axes = np.atleast_1d(eqn.params[key])
        for own in args:
            labels.tie(*(own[axis] for axis in axes), FIXED)
        return _elementwise(labels, args, eqn.outvars[0].aval.ndim)

    return rule


def _arg_reduction(labels, eqn, operand):
    labels.tie(*(operand[axis] for axis in eqn.params["axes"]), FIXED)
    return tuple(label for axis, label in enumerate(operand) if axis not in eqn.params["axes"])


def _conv_general_dilated(labels, eqn, images, kernel):
    numbers = eqn.params["dimension_numbers"]
    grouped = eqn.params["feature_group_count"] > 1 or eqn.params["batch_group_count"] > 1
    (batch, features, *places), (outputs, inputs, *window) = numbers.lhs_spec, numbers.rhs_spec
    labels.tie(*(images[i] for i in places), *(kernel[i] for i in window), FIXED)
    labels.tie(images[features], kernel[inputs], *((kernel[outputs], FIXED) if grouped else ()))
    out = [FIXED] * len(images)
    out[numbers.out_spec[0]], out[numbers.out_spec[1]] = images[batch], kernel[outputs]
    return tuple(out)


def _convolution(labels, eqn, images, kernel):
    """`pathjax.models.convolution`: images (B, H, W, C), kernels (h, w, C, D)."""
    labels.tie(*images[1:3], *kernel[:2], FIXED)
    labels.tie(images[3], kernel[2])
    return (images[0], FIXED, FIXED, kernel[3])


def _gather(labels, eqn, operand, indices):
    """Rows of a table: axes that are taken whole stay, the others are fixed."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    shape = eqn.invars[0].aval.shape
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    labels.tie(
        *indices, *(operand[axis] for axis in range(len(shape)) if sizes[axis] != shape[axis] or axis in gone), FIXED
    )
    kept = iter(operand[axis] for axis in range(len(shape)) if axis not in gone)
    return tuple(next(kept) if axis in numbers.offset_dims else FIXED for axis in range(eqn.outvars[0].aval.ndim))


def _reduce_window(labels, eqn, operand, *_):
    """Pooling: axes along which the window is of length 1 and moves by 1 stay."""
    windows, strides = eqn.params["window_dimensions"], eqn.params["window_strides"]
    pairs = zip(operand, windows, strides, strict=True)
    return tuple(label if window == stride == 1 else labels.tie(label, FIXED) for label, window, stride in pairs)


_RULES = {
    "dot_general": _dot_general,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "transpose": _transpose,
    "slice": _same_length,
    "dynamic_slice": _same_length,
    "pad": _same_length,
    "concatenate": _along("dimension"),
    "rev": _along("dimensions"),
    "sort": _along("dimension"),
    "cumsum": _along("axis"),
    "argmax": _arg_reduction,
    "argmin": _arg_reduction,
    "conv_general_dilated": _conv_general_dilated,
    "convolution": _convolution,
    "gather": _gather,
    "reduce_window": _reduce_window,
    "reduce_window_max": _reduce_window,
    "reduce_window_min": _reduce_window,
    "reduce_window_sum": _reduce_window,
}
