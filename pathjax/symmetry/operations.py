"""Rules for single operations: which labels of axes they tie and which they fix."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pathjax.symmetry.labels import FIXED, Axis, Label, Labels, fixed

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


def apply_operation(labels: Labels, eqn: Any, args: Sequence[tuple[Axis, ...]]) -> list[tuple[Axis, ...]]:
    """Returns the axes of an operation's results, given those of its operands. Unsupported operations fix all axes.

    >>> import jax
    >>> labels, program = Labels(), jax.make_jaxpr(lambda x: x.T)(np.ones((2, 3)))
    >>> x = labels.fresh((2, 3))
    >>> apply_operation(labels, program.eqns[0], [x]) == [(x[1], x[0])]
    True
    """
    name = eqn.primitive.name
    if name in ELEMENTWISE:
        return [_elementwise(labels, args, out.aval.shape) for out in eqn.outvars]
    if name in REDUCTIONS:
        return [tuple(axis for i, axis in enumerate(args[0]) if i not in eqn.params["axes"])]
    if name == "split":
        return _split(labels, eqn, *args)
    rule = _RULES.get(name)
    # All results of an operation with several results, such as sorting with a key, have the same axes.
    return [rule(labels, eqn, *args)] * len(eqn.outvars) if rule else _unknown(labels, eqn, args)


def _unknown(labels, eqn, args):
    labels.fix(*(axis for own in args for axis in own))
    return [fixed(out.aval.shape) for out in eqn.outvars]


def _elementwise(labels, args, shape):
    """Axes of length 1 are broadcast to the result's length, and tie nothing."""

    def one(i, size):
        axes = [own[i] for own in args if own and math.prod(label.size for label in own[i]) == size]
        return labels.tie(*axes)

    return tuple(one(i, size) for i, size in enumerate(shape))


def _dot_general(labels, eqn, left, right):
    (left_sum, right_sum), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    for a, b in zip((*left_sum, *left_batch), (*right_sum, *right_batch), strict=True):
        labels.tie(left[a], right[b])
    rest = [left[a] for a in range(len(left)) if a not in (*left_sum, *left_batch)]
    rest += [right[b] for b in range(len(right)) if b not in (*right_sum, *right_batch)]
    return (*(left[a] for a in left_batch), *rest)


def _broadcast_in_dim(labels, eqn, operand, *_):
    shape, before = eqn.params["shape"], eqn.invars[0].aval.shape
    out = list(labels.fresh(shape))
    for axis, place in enumerate(eqn.params["broadcast_dimensions"]):
        if before[axis] == shape[place]:
            out[place] = operand[axis]
    return tuple(out)


def _reshape(labels, eqn, operand, *_):
    """Flattens all axes and splits them anew: factors stay factors, or are fixed if a split cuts through them."""
    before, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    if 0 in before:
        return fixed(after)
    out = labels.fresh(after)
    for old, new in _blocks(before, after):
        labels.tie(tuple(f for i in new for f in out[i]), tuple(f for i in old for f in operand[i]))
    return out


def _blocks(before, after) -> list[tuple[list[int], list[int]]]:
    """Groups of axes with equal numbers of elements before and after; axes of length 1 belong to none."""
    olds, news = ([i for i, size in enumerate(shape) if size != 1] for shape in (before, after))
    blocks = []
    while olds:
        old, new = [olds.pop(0)], [news.pop(0)]
        while (a := math.prod(before[i] for i in old)) != (b := math.prod(after[i] for i in new)):
            (old if a < b else new).append((olds if a < b else news).pop(0))
        blocks.append((old, new))
    return blocks


def _squeeze(labels, eqn, operand):
    return tuple(axis for i, axis in enumerate(operand) if i not in eqn.params["dimensions"])


def _expand_dims(labels, eqn, operand):
    rest, new = iter(operand), eqn.params["dimensions"]
    return tuple(labels.fresh((1,))[0] if i in new else next(rest) for i in range(eqn.outvars[0].aval.ndim))


def _transpose(labels, eqn, operand):
    return tuple(operand[i] for i in eqn.params["permutation"])


def _pad(labels, eqn, operand, *_):
    return _where(labels, operand, eqn, [padding == (0, 0, 0) for padding in eqn.params["padding_config"]])


def _slice(labels, eqn, operand, *_):
    """Axes that are not sliced stay."""
    return _where(labels, operand, eqn, np.equal(eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape))


def _reduce_window(labels, eqn, operand, *_):
    """Pooling: axes with a window of length 1, stride 1 and no padding stay."""
    names = ("window_dimensions", "window_strides", "padding")
    settings = zip(*(eqn.params[name] for name in names), strict=True)
    return _where(labels, operand, eqn, [(window, stride, *pad) == (1, 1, 0, 0) for window, stride, pad in settings])


def _where(labels, operand, eqn, stays) -> tuple[Axis, ...]:
    """Keeps the axes that stay, and fixes the others before and after."""
    labels.fix(*(axis for axis, stay in zip(operand, stays, strict=True) if not stay))
    after = fixed(eqn.outvars[0].aval.shape)
    return tuple(axis if stay else new for axis, stay, new in zip(operand, stays, after, strict=True))


def _along(key):
    """Operations that depend on the order along some axes: cumulative sums, reversal, sorting, concatenation."""

    def rule(labels, eqn, *args):
        axes = np.atleast_1d(eqn.params[key])
        for own in args:
            labels.fix(*(own[i] for i in axes))
        shape = eqn.outvars[0].aval.shape
        rest = [i for i in range(len(shape)) if i not in axes]
        tied = {i: labels.tie(*(own[i] for own in args)) for i in rest}
        return tuple(tied.get(i, (Label(FIXED, size),)) for i, size in enumerate(shape))

    return rule


def _arg_reduction(labels, eqn, operand):
    labels.fix(*(operand[i] for i in eqn.params["axes"]))
    return tuple(axis for i, axis in enumerate(operand) if i not in eqn.params["axes"])


def _conv_general_dilated(labels, eqn, images, kernel):
    numbers = eqn.params["dimension_numbers"]
    grouped = eqn.params["feature_group_count"] > 1 or eqn.params["batch_group_count"] > 1
    (batch, features, *places), (outputs, inputs, *window) = numbers.lhs_spec, numbers.rhs_spec
    labels.fix(*(images[i] for i in places), *(kernel[i] for i in window))
    if grouped:
        labels.fix(images[features], kernel[inputs], kernel[outputs])
    else:
        labels.tie(images[features], kernel[inputs])
    out = list(fixed(eqn.outvars[0].aval.shape))
    out[numbers.out_spec[0]], out[numbers.out_spec[1]] = images[batch], kernel[outputs]
    return tuple(out)


def _convolution(labels, eqn, images, kernel):
    """`pathjax.models.convolution`: images (B, H, W, C), kernels (h, w, C, D)."""
    labels.fix(*images[1:3], *kernel[:2])
    labels.tie(images[3], kernel[2])
    return (images[0], *fixed(eqn.outvars[0].aval.shape)[1:3], kernel[3])


def _gather(labels, eqn, operand, indices):
    """Rows of a table: axes that are taken completely stay, the others are fixed."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    shape, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    labels.fix(*indices, *(operand[i] for i in range(len(shape)) if sizes[i] != shape[i] or i in gone))
    kept = iter([operand[i] if sizes[i] == shape[i] else None for i in range(len(shape)) if i not in gone])
    axes = [next(kept) if i in numbers.offset_dims else None for i in range(len(after))]
    return tuple(new if axis is None else axis for axis, new in zip(axes, fixed(after), strict=True))


def _split(labels, eqn, operand):
    axis = eqn.params["axis"]
    labels.fix(operand[axis])
    return [(*operand[:axis], *fixed([out.aval.shape[axis]]), *operand[axis + 1 :]) for out in eqn.outvars]


_RULES = {
    "dot_general": _dot_general,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "transpose": _transpose,
    "slice": _slice,
    "dynamic_slice": _slice,
    "pad": _pad,
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
