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
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from pathjax import trees
from pathjax.symmetry.labels import FIXED, Axis, Label, Labels, fixed
from pathjax.symmetry.spec import AxisGroups, PermutationSpec
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


def infer_spec(apply: Callable, params: PyTree, *inputs) -> PermutationSpec:
    """The permutation symmetries of `apply(params, *inputs)`.

    Groups are named "P0", "P1", ... in the order of the leaves. Where axes are flattened into one, as a convolution's
    places and channels before a dense layer, the channels' group moves blocks of it (see `PermutationSpec`).

    >>> import jax.numpy as jnp
    >>> params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((5, 2))}
    >>> infer_spec(lambda w, x: jnp.tanh(x @ w["w0"]) @ w["w1"], params, jnp.ones((1, 3))).axes
    {'w0': (None, 'P0'), 'w1': ('P0', None)}
    """
    closed = jax.make_jaxpr(apply)(params, *inputs)
    labels = Labels()
    of_leaves = [labels.fresh(np.shape(leaf)) for leaf in jax.tree.leaves(params)]
    of_inputs = [fixed(np.shape(leaf)) for leaf in jax.tree.leaves(inputs)]
    of_consts = [_of_constant(labels, jnp.asarray(constant)) for constant in closed.consts]
    for outcome in _run(labels, closed.jaxpr, of_consts, of_leaves + of_inputs):
        labels.fix(*outcome)
    return _as_spec(labels, params, of_leaves)


def _as_spec(labels: Labels, params: PyTree, of_leaves) -> PermutationSpec:
    names: dict[int, str] = {}
    axes, sizes = {}, {}

    def group(label: Label) -> str | None:
        if label.number == FIXED or label.size < 2:
            return None
        name = names.setdefault(label.number, f"P{len(names)}")
        sizes[name] = label.size
        return name

    def entry(axis: Axis) -> AxisGroups:
        factors = tuple((group(label), label.size) for label in labels.find(axis))
        if all(name is None for name, _ in factors):
            return None
        return factors[0][0] if len(factors) == 1 else factors

    for name, own in zip(trees.leaf_names(params), of_leaves, strict=True):
        axes[name] = tuple(entry(axis) for axis in own)
    return PermutationSpec(axes, sizes)


def _of_constant(labels: Labels, constant) -> tuple[Axis, ...]:
    """An axis along which a constant does not change is as good as one that is not there."""
    if jax.dtypes.issubdtype(constant.dtype, jax.dtypes.prng_key):
        return fixed(constant.shape)
    array = np.asarray(constant)
    own = labels.fresh(array.shape)
    for axis in range(array.ndim):
        if array.size and not np.all(array == array.take([0], axis)):
            labels.fix(own[axis])
    return own


def _run(labels: Labels, jaxpr, of_consts, of_args) -> list[tuple[Axis, ...]]:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*of_consts, *of_args], strict=True))

    def read(atom):
        return labels.fresh(np.shape(atom.val)) if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        outcomes = _apply(labels, eqn, [read(atom) for atom in eqn.invars])
        known |= dict(zip(eqn.outvars, outcomes, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(labels: Labels, eqn, args) -> list[tuple[Axis, ...]]:
    name = eqn.primitive.name
    inner = _called(eqn)
    if inner is not None:
        return _run(labels, inner.jaxpr, [_of_constant(labels, jnp.asarray(c)) for c in inner.consts], args)
    if name in ELEMENTWISE:
        return [_elementwise(labels, args, out.aval.shape) for out in eqn.outvars]
    if name in REDUCTIONS:
        return [tuple(axis for i, axis in enumerate(args[0]) if i not in eqn.params["axes"])]
    rule = _RULES.get(name)
    # An operation with several results, such as sorting with a key, has the same axes in each.
    return [rule(labels, eqn, *args)] * len(eqn.outvars) if rule else _unknown(labels, eqn, args)


def _called(eqn):
    """The program that an operation only calls."""
    if not CALLS.fullmatch(eqn.primitive.name):
        return None
    inner = next(eqn.params[key] for key in ("call_jaxpr", "jaxpr", "fun_jaxpr") if key in eqn.params)
    return inner if hasattr(inner, "consts") else ClosedJaxpr(inner, ())


def _unknown(labels, eqn, args):
    labels.fix(*(axis for own in args for axis in own))
    return [fixed(out.aval.shape) for out in eqn.outvars]


def _elementwise(labels, args, shape):
    """Axes of length 1 are as long as the result's by being repeated, and tie nothing."""

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
    """All axes as one long one, cut up anew: what was a factor stays one, or is fixed where a cut goes through it."""
    before, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    if 0 in before:
        return fixed(after)
    out = labels.fresh(after)
    for old, new in _blocks(before, after):
        labels.tie(tuple(f for i in new for f in out[i]), tuple(f for i in old for f in operand[i]))
    return out


def _blocks(before, after) -> list[tuple[list[int], list[int]]]:
    """Places of axes, before and after, with the same numbers of elements together; those of length 1 go anywhere."""
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
    """Axes that are taken whole stay."""
    return _where(labels, operand, eqn, np.equal(eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape))


def _reduce_window(labels, eqn, operand, *_):
    """Pooling: axes along which the window is of length 1 and moves by 1 stay."""
    names = ("window_dimensions", "window_strides", "padding")
    settings = zip(*(eqn.params[name] for name in names), strict=True)
    return _where(labels, operand, eqn, [(window, stride, *pad) == (1, 1, 0, 0) for window, stride, pad in settings])


def _where(labels, operand, eqn, stays) -> tuple[Axis, ...]:
    """The axes that stay; the others are fixed, before and after."""
    labels.fix(*(axis for axis, stay in zip(operand, stays, strict=True) if not stay))
    after = fixed(eqn.outvars[0].aval.shape)
    return tuple(axis if stay else new for axis, stay, new in zip(operand, stays, after, strict=True))


def _along(key):
    """Operations that mix the places of some axes in their order: sums so far, reversal, sorting, joining."""

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
    """Rows of a table: axes that are taken whole stay, the others are fixed."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    shape, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    labels.fix(*indices, *(operand[i] for i in range(len(shape)) if sizes[i] != shape[i] or i in gone))
    kept = iter([operand[i] if sizes[i] == shape[i] else None for i in range(len(shape)) if i not in gone])
    axes = [next(kept) if i in numbers.offset_dims else None for i in range(len(after))]
    return tuple(new if axis is None else axis for axis, new in zip(axes, fixed(after), strict=True))


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
