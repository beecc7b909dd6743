"""The metric in which Adam descends."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.types import PyTree, State


def adam_preconditioner(b2: float = 0.999, eps: float = 1e-8, eps_root: float = 0.0) -> Callable[[State], PyTree]:
    """Returns the diagonal by which Adam divides, P = sqrt(nu / (1 - b2^t) + eps_root) + eps, as a function of a state.

    With first moments of decay b1, Adam is stable on a quadratic up to an eigenvalue of P^(-1) H of
    2 (1 + b1) / ((1 - b1) eta): 38 / eta for b1 = 0.9.

    Args:
        b2, eps, eps_root: those given to `optax.adam`; its state has the second moments nu and the number of steps t,
            but not these.

    Returns:
        `diagonal(state)`, a tree like the weights' float leaves; NaN before the first step, when nu is 0.

    Raises:
        InputError: if an option is out of range; when called, if the optimizer has no such state, or several.

    Source: Cohen et al. 2022, arXiv 2207.14484.

    >>> import optax, pathjax
    >>> adam = pathjax.training_dynamics(lambda w, x: 2 * w, optax.adam(0.1))
    >>> after, _ = adam.step(adam.init(jnp.float32(1.0), {}), pathjax.Batch(None, None, jax.random.key(0)))
    >>> f"{adam_preconditioner()(after):.4f}"
    '2.0000'
    """

    require(0 <= b2 < 1, f"b2 must be from 0 to below 1, not {b2}")
    for name, value in (("eps", eps), ("eps_root", eps_root)):
        require(0 <= value < math.inf, f"{name} must be 0 or more and finite, not {value}")

    def diagonal(state: State) -> PyTree:
        found = list(_moments(state.opt_state))
        expected = "give the dynamics of one optax.adam, or another preconditioner"
        require(len(found) == 1, f"the optimizer has {len(found)} states with second moments: {expected}")
        count = found[0].count
        share = jnp.where(count > 0, 1 - b2 ** count.astype(jnp.float32), jnp.nan)
        return jax.tree.map(lambda nu: jnp.sqrt(nu / share.astype(nu.dtype) + eps_root) + eps, found[0].nu)

    return diagonal


def _moments(opt_state: Any):
    """Yields the parts of an optimizer's state that have second moments and a count."""
    if hasattr(opt_state, "nu") and hasattr(opt_state, "count"):
        yield opt_state
    elif isinstance(opt_state, dict):
        yield from (one for part in opt_state.values() for one in _moments(part))
    elif isinstance(opt_state, tuple):
        yield from (one for part in opt_state for one in _moments(part))
