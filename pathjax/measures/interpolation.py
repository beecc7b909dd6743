"""The loss along the straight line between two networks."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.types import PyTree


@shown_in_short
class Line(NamedTuple):
    """Cross-entropy in nats and accuracy at points alpha from 0 (the first network) to 1 (the second)."""

    loss: Float[Array, " alpha"]
    accuracy: Float[Array, " alpha"]


@shown_in_short
class Statistics(NamedTuple):
    """Running statistics that a network between two others needs anew: those of its ends do not belong to it.

    Attributes:
        recompute: `recompute(params, model_state, inputs) -> model_state`, such as the state after `inputs` in training
            mode, as one batch or as several.
        inputs: the named set on which they are computed; training examples.
    """

    recompute: Callable
    inputs: PyTree


def interpolate(a: PyTree, b: PyTree, alpha: Float[ArrayLike, ""]) -> PyTree:
    """Computes (1 - alpha) a + alpha b, bitwise exact at 0 and 1; leaves that are not floats are a's.

    >>> interpolate({"w": 0.0}, {"w": 4.0}, 0.25)
    {'w': 1.0}
    """
    start, others = trees.split_floats(a)
    end = trees.split_floats(b)[0]
    return trees.merge(jax.tree.map(lambda x, y: (1 - alpha) * x + alpha * y, start, end), others)


def along_line(evaluate: Callable[[PyTree], Line], a: PyTree, b: PyTree, alphas: Float[Array, " alpha"]) -> Line:
    """Applies `evaluate` at each point of the line, one after the other.

    >>> line = along_line(lambda w: Line(w**2, w), jnp.float32(-1), jnp.float32(1), jnp.linspace(0, 1, 3))
    >>> line.loss
    Array([1., 0., 1.], dtype=float32)
    """
    return jax.lax.map(lambda alpha: evaluate(interpolate(a, b, alpha)), alphas)


def barrier(loss: Float[Array, " alpha"]) -> Float[Array, ""]:
    """Computes the largest excess of equally spaced losses over the chord between the end losses; at least 0.

    Raises:
        InputError: for fewer than two losses.

    Source: the error barrier of linear mode connectivity (Frankle et al. 2020), here relative to the chord.

    >>> float(barrier(jnp.array([1.0, 4.0, 3.0])))
    2.0
    """
    _check_ends(loss)
    alphas = jnp.linspace(0, 1, loss.shape[-1])
    return jnp.max(loss - ((1 - alphas) * loss[0] + alphas * loss[-1]))


def integral(values: Float[Array, " alpha"]) -> Float[Array, ""]:
    """Integrates equally spaced values over alpha from 0 to 1 by the trapezoidal rule.

    Raises:
        InputError: for fewer than two values.

    >>> float(integral(jnp.array([0.0, 1.0, 2.0])))
    1.0
    """
    _check_ends(values)
    return jnp.trapezoid(values, dx=1 / (values.shape[-1] - 1))


def _check_ends(values) -> None:
    num = values.shape[-1] if values.ndim else 0
    require(num >= 2, f"a line needs at least 2 values, not {num}")
