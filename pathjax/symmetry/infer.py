"""Infers which axes of a network's weights can be permuted together from the network's jaxpr.

Each axis of each array gets a label. Operations tie labels (the two contracted axes of a product, the axes of two
summands) or fix them (an axis that is sliced, sorted, or used by an unsupported operation). Axes of inputs and outputs
are fixed. If each operation gives permuted results for operands permuted along equal labels, so does the whole program,
and its outputs, whose axes are fixed, do not change. So every inferred group is a symmetry; unsupported operations may
hide others.
"""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from pathjax.core import trees
from pathjax.core.networks import of_networks
from pathjax.core.types import PyTree
from pathjax.symmetry.labels import FIXED, Axis, Label, Labels, fixed
from pathjax.symmetry.operations import apply_operation
from pathjax.symmetry.spec import AxisGroups, PermutationSpec

CALLS = re.compile("p?jit|closed_call|core_call|custom_[jv]+p_call(_jaxpr)?|remat2?|checkpoint")


def infer_spec(apply: Callable, params: PyTree, *inputs) -> PermutationSpec:
    """Infers the permutation symmetries of `apply(params, *inputs)`.

    Groups are named "P0", "P1", ... in the order of the leaves. If several axes are flattened into one, such as a
    convolution's positions and channels before a dense layer, the channels' group permutes a factor of the flattened
    axis (see `PermutationSpec`).

    Args:
        apply: `apply(params, *inputs)` returns the outputs; for a model with a state
            `apply(params, model_state, *inputs)`, in evaluation mode.
        params: the weights, or their shapes. For a model with a state a `pathjax.Network`: the spec then has the leaves
            "params/..." and "model_state/...", and `permute` takes a Network.
        inputs: some examples, or their shapes.

    Returns:
        A PermutationSpec of all groups of units that can be permuted.

    >>> import jax.numpy as jnp
    >>> params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((5, 2))}
    >>> infer_spec(lambda w, x: jnp.tanh(x @ w["w0"]) @ w["w1"], params, jnp.ones((1, 3))).axes
    {'w0': (None, 'P0'), 'w1': ('P0', None)}
    """
    closed = jax.make_jaxpr(of_networks(apply))(params, *inputs)
    labels = Labels()
    of_leaves = [labels.fresh(np.shape(leaf)) for leaf in jax.tree.leaves(params)]
    of_inputs = [fixed(np.shape(leaf)) for leaf in jax.tree.leaves(inputs)]
    of_consts = [_of_constant(labels, jnp.asarray(constant)) for constant in closed.consts]
    for axes in _run(labels, closed.jaxpr, of_consts, of_leaves + of_inputs):
        labels.fix(*axes)
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
    """Labels of a constant's axes. An axis along which the constant does not vary restricts nothing."""
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
    inner = _called(eqn)
    if inner is not None:
        return _run_closed(labels, inner, args)
    rule = {"scan": _scan, "while": _while, "cond": _cond}.get(eqn.primitive.name, apply_operation)
    return rule(labels, eqn, args)


def _called(eqn):
    """The inner program if the operation is a plain call, else None."""
    if not CALLS.fullmatch(eqn.primitive.name):
        return None
    inner = next(eqn.params[key] for key in ("call_jaxpr", "jaxpr", "fun_jaxpr") if key in eqn.params)
    return inner if hasattr(inner, "consts") else ClosedJaxpr(inner, ())


def _run_closed(labels, closed, args):
    return _run(labels, closed.jaxpr, [_of_constant(labels, jnp.asarray(c)) for c in closed.consts], args)


def _scan(labels, eqn, args):
    """The carry has the same axes before and after a step; the axis of steps is fixed."""
    body = eqn.params["jaxpr"]
    # Scanned arrays, last, have one axis more than the step sees; versions of JAX say it in different parameters.
    num_xs, num_ys = (
        _num_longer(*pair) for pair in ((eqn.invars, body.jaxpr.invars), (eqn.outvars, body.jaxpr.outvars))
    )
    num_carry = len(eqn.outvars) - num_ys
    shared, xs = args[: len(args) - num_xs], args[len(args) - num_xs :]
    labels.fix(*(own[0] for own in xs))
    outcomes = _run_closed(labels, body, [*shared, *(own[1:] for own in xs)])
    _tie_all(labels, shared[len(shared) - num_carry :], outcomes[:num_carry])
    steps = fixed([eqn.params["length"]])
    return [*outcomes[:num_carry], *((*steps, *own) for own in outcomes[num_carry:])]


def _num_longer(outside, inside) -> int:
    """Returns how many variables have more axes outside a loop than inside."""
    return sum(one.aval.ndim > other.aval.ndim for one, other in zip(outside, inside, strict=True))


def _while(labels, eqn, args):
    for_cond, for_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    carry = args[for_cond + for_body :]
    _run_closed(labels, eqn.params["cond_jaxpr"], [*args[:for_cond], *carry])
    outcomes = _run_closed(labels, eqn.params["body_jaxpr"], args[for_cond:])
    _tie_all(labels, carry, outcomes)
    return outcomes


def _cond(labels, eqn, args):
    branches = [_run_closed(labels, branch, args[1:]) for branch in eqn.params["branches"]]
    for other in branches[1:]:
        _tie_all(labels, branches[0], other)
    return branches[0]


def _tie_all(labels, some, others) -> None:
    for one, other in zip(some, others, strict=True):
        for a, b in zip(one, other, strict=True):
            labels.tie(a, b)
