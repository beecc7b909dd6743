"""Models whose learning coefficient is known, at their most singular point."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import require
from pathjax.theory.singular_models import Singularity, monomial, reduced_rank


class Problem(NamedTuple):
    """A loss without examples, the weights at which its coefficient is known, and that."""

    loss: Callable
    weights: Any
    known: Singularity


def problem_of(name: str, numbers: tuple[int, ...]) -> Problem:
    """Returns "monomial" (a, b), "reduced rank" (inputs, outputs, hidden, rank) or "quadratic" (dimension,).

    Raises:
        InputError: if there are too few or too many numbers, or they are out of range.
    """
    expected = {"monomial": 2, "reduced rank": 4, "quadratic": 1}[name]
    require(len(numbers) == expected, f"a {name} has {expected} numbers, not {numbers}")
    made: dict[str, Callable[..., Problem]]
    made = {"monomial": _monomial, "reduced rank": _reduced_rank, "quadratic": _quadratic}
    return made[name](*numbers)


def _monomial(a: int, b: int) -> Problem:
    known = monomial(a, b)
    return Problem(lambda w, x: (w[0] ** a * w[1] ** b) ** 2, jnp.zeros(2), known)


def _reduced_rank(inputs: int, outputs: int, hidden: int, rank: int) -> Problem:
    """Half the expected squared error of y = B A x with normal inputs, at weights whose spare units are 0."""
    known = reduced_rank(inputs, outputs, hidden, rank)
    rng = np.random.default_rng(0)
    right, left = (np.linalg.qr(rng.normal(size=(size, size)))[0] for size in (inputs, outputs))
    a, b = np.zeros((hidden, inputs)), np.zeros((outputs, hidden))
    a[:rank], b[:, :rank] = right[:rank], left[:, :rank]
    target = jnp.asarray(b @ a)

    def loss(weights, x):
        return 0.5 * jnp.sum((weights["b"] @ weights["a"] - target) ** 2)

    return Problem(loss, {"a": jnp.asarray(a), "b": jnp.asarray(b)}, known)


def _quadratic(dimension: int) -> Problem:
    require(dimension >= 1, f"a quadratic has 1 or more dimensions, not {dimension}")
    steep = jnp.logspace(-0.5, 1, dimension)
    return Problem(lambda w, x: 0.5 * jnp.sum(steep * w**2), jnp.zeros(dimension), Singularity(dimension / 2, 1))
