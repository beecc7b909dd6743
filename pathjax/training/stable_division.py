"""Divisions by scalars that give the same bits in every compiled program.

XLA turns a / b with a scalar b into a * (1 / b), and (a / b) / c into a / (b * c). Where both apply, as to Adam's bias
correction, a program for several devices applies the second and one for a single device the first. Written as a
product with the reciprocal from the start, only one is left.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, Literal

CALLS = ("jit", "pjit")


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
            alone = jaxpr.replace(constvars=[], invars=inputs, outvars=eqn.outvars, eqns=[eqn], debug_info=None)
            found = jax.core.eval_jaxpr(alone, [], *map(read, inputs))
        known |= dict(zip(eqn.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_by_scalar(eqn) -> bool:
    return eqn.primitive.name == "div" and eqn.invars[1].aval.shape == () != eqn.invars[0].aval.shape
