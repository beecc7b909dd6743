"""Divisions of an optimizer by scalars that give the same bits in programs for one device and for several.

XLA turns a / b with a scalar b into a * (1 / b), and (a / b) / c into a / (b * c). Where both apply, as to Adam's bias
correction, a program for several devices applies the second and one for a single device the first. Written as a
product with the reciprocal from the start, only one is left.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

CALLS = ("jit", "pjit")
# Operations with programs inside, by the parameters that hold them.
INNER = {"scan": ("jaxpr",), "while": ("body_jaxpr",), "cond": ("branches",), "checkpoint": ("jaxpr",)}


def with_reciprocals(fn: Callable) -> Callable:
    """Returns the function with divisions by scalars as products with their reciprocals.

    >>> import numpy as np
    >>> print(jax.make_jaxpr(with_reciprocals(lambda x, s: x / s))(np.ones(3), 2.0).eqns[-1].primitive)
    mul
    """

    def apply(*args: Any) -> Any:
        closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*args)
        found = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), found)

    return apply


def _evaluate(jaxpr: Jaxpr, consts: Any, args: Any) -> list:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom):
        return atom.val if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        values = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in CALLS:
            inner = eqn.params["jaxpr"]
            found = _evaluate(inner.jaxpr, inner.consts, values)
        elif _is_by_scalar(eqn):
            found = [values[0] * (1 / values[1])]
        else:
            inputs = list(dict.fromkeys(atom for atom in eqn.invars if not isinstance(atom, Literal)))
            parts = {"invars": inputs, "outvars": eqn.outvars, "eqns": [_inside(eqn)]}
            alone = jaxpr.replace(constvars=[], debug_info=None, **parts)
            found = jax.core.eval_jaxpr(alone, [], *map(read, inputs))
        known |= dict(zip(eqn.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_by_scalar(eqn) -> bool:
    shapes, kind = [atom.aval.shape for atom in eqn.invars], eqn.outvars[0].aval
    is_float = hasattr(kind, "dtype") and jnp.issubdtype(kind.dtype, jnp.floating)
    return eqn.primitive.name == "div" and is_float and shapes[1] == () != shapes[0]


def _inside(eqn):
    """The operation with its inner programs rewritten: branches, and the bodies of loops and checkpoints."""

    def rewritten(part):
        if isinstance(part, ClosedJaxpr):
            return _rewritten(part)
        if isinstance(part, Jaxpr) and not part.constvars:
            new = _rewritten(ClosedJaxpr(part, []))
            return new.jaxpr if not new.consts else part
        return tuple(map(rewritten, part)) if isinstance(part, tuple) else part

    names = INNER.get(eqn.primitive.name, ())
    return eqn.replace(params=eqn.params | {name: rewritten(eqn.params[name]) for name in names})


def _rewritten(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program with its divisions rewritten; unchanged if results would have other types."""
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in closed.in_avals]
    new = jax.make_jaxpr(lambda *args: _evaluate(closed.jaxpr, closed.consts, args))(*shapes)
    return new if list(new.out_avals) == list(closed.out_avals) else closed
