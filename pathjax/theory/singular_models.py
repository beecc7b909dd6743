"""Learning coefficients that are known exactly."""

from typing import NamedTuple

from pathjax.core.errors import require


class Singularity(NamedTuple):
    """The learning coefficient lambda and its multiplicity m: the volume of weights of loss below e falls as
    e^lambda (log 1/e)^(m - 1), and the free energy of n examples is lambda log n - (m - 1) log log n."""

    coefficient: float
    multiplicity: int


def monomial(a: int, b: int) -> Singularity:
    """Returns the learning coefficient of w_1^a w_2^b at 0, with the loss (w_1^a w_2^b)^2: 1 / (2 max(a, b)).

    Source: Watanabe 2009, Algebraic Geometry and Statistical Learning Theory.

    >>> monomial(1, 2)
    Singularity(coefficient=0.25, multiplicity=1)
    """
    require(a >= 1 and b >= 1, f"powers must be 1 or more, not {a} and {b}")
    return Singularity(1 / (2 * max(a, b)), 2 if a == b else 1)


def reduced_rank(inputs: int, outputs: int, hidden: int, rank: int) -> Singularity:
    """Returns the learning coefficient of the regression y = B A x, with A hidden x inputs, B outputs x hidden, where
    the true B A has a lower rank.

    Args:
        inputs, outputs, hidden: the sizes M, N and H.
        rank: the true rank r.

    Raises:
        InputError: if the true rank is more than a size.

    Source: Aoyagi & Watanabe 2005, Neural Networks 18.

    >>> reduced_rank(3, 3, 2, 1)
    Singularity(coefficient=3.5, multiplicity=2)
    """
    m, n, h, r = inputs, outputs, hidden, rank
    require(min(m, n, h) >= 1, f"sizes must be 1 or more, not {m}, {n} and {h}")
    require(0 <= r <= min(m, n, h), f"the rank must be 0 to {min(m, n, h)}, not {r}")
    if n + h < m + r:
        return Singularity((h * n - h * r + m * r) / 2, 1)
    if m + h < n + r:
        return Singularity((h * m - h * r + n * r) / 2, 1)
    if m + n < h + r:
        return Singularity(m * n / 2, 1)
    twice = -((h + r) ** 2) - m**2 - n**2 + 2 * (h + r) * (m + n) + 2 * m * n
    is_odd = (m + n + h + r) % 2
    return Singularity((twice + is_odd) / 8, 1 + is_odd)
