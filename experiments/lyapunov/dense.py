"""Computes the full spectrum from dense Jacobians: slow, simple, and independent of the library, as a reference."""

from collections.abc import Callable

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from pathjax.core.trees import merge
from pathjax.core.types import PyTree
from pathjax.tangents.propagate import Select, split_moving


def dense_log_growth(step_fn: Callable, state: PyTree, rows: PyTree, q, select: Select | None = None) -> np.ndarray:
    """Computes log R_ii of each step, float[T, k], from the raveled state's Jacobian and NumPy's QR, starting at
    q [n, k]."""

    @jax.jit
    def jacobian_and_next(state, row):
        moving, rest = split_moving(state, select)
        flat, unravel = ravel_pytree(moving)

        def step(flat):
            return ravel_pytree(split_moving(step_fn(merge(unravel(flat), rest), row), select)[0])[0]

        return jax.jacfwd(step)(flat), step_fn(state, row)

    growth = []
    for t in range(len(jax.tree.leaves(rows)[0])):
        jacobian, state = jacobian_and_next(state, jax.tree.map(lambda a, t=t: a[t], rows))
        q, r = np.linalg.qr(np.asarray(jacobian, np.float64) @ q)
        growth.append(np.log(np.abs(np.diag(r))))
    return np.array(growth)
