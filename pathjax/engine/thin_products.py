"""Products whose bits depend on a member's row, and the tiles in which they do not.

XLA on a CPU computes a product with a factor of one row, one column or one summand as a loop over all members. The loop
is vectorized, and its last elements, which fill no vector, are summed in another order: they belong to the last rows of
a tile. A tile with a multiple of `layout.VECTOR` rows has no such elements.
"""

import math

from jax.extend.core import Jaxpr

from pathjax.engine.memory import inner_programs
from pathjax.engine.tile_steps import STEP


def has_thin_products(jaxpr: Jaxpr, in_step: bool = False) -> bool:
    """Whether members' steps in a traced program have a product with a factor of one row or column, or one summand.

    Args:
        jaxpr: the program of a chunk; steps have the name scope `STEP`.
        in_step: whether all of the program belongs to a step.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> programs = (jax.make_jaxpr(jnp.matmul)(jnp.ones((n, 3)), jnp.ones((3, 4))).jaxpr for n in (1, 2))
    >>> [has_thin_products(program, in_step=True) for program in programs]
    [True, False]
    """
    for eqn in jaxpr.eqns:
        inside = in_step or STEP in str(eqn.source_info.name_stack)
        if (inside and _is_thin(eqn)) or any(has_thin_products(one, inside) for one in inner_programs(eqn)):
            return True
    return False


def _is_thin(eqn) -> bool:
    if eqn.primitive.name != "dot_general":
        return False
    shapes = [var.aval.shape for var in eqn.invars]
    summed, batch = eqn.params["dimension_numbers"]
    rows = [
        math.prod(size for i, size in enumerate(shape) if i not in (*summed[side], *batch[side]))
        for side, shape in enumerate(shapes)
    ]
    return 1 in (*rows, math.prod(shapes[0][i] for i in summed[0]))
