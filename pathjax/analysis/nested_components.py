"""Variance components of a tree: initializations, their forks, forks of forks; and what correlated units are worth."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pathjax.analysis.variance_components import COVERAGE, DRAWS, effective_dimension, square_norms
from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError


@shown_in_short
class NestedComponents(NamedTuple):
    """Variances by level of a tree, summed over the outcome's dimensions, and their shares of the whole, each with a
    95% confidence interval."""

    sources: tuple[str, ...]
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray
    share_low: np.ndarray
    share_high: np.ndarray


def nested_components(
    outcomes: ArrayLike, sources: Sequence[str] = ("initialization", "fork", "fork of fork"), seed: int = 0
) -> NestedComponents:
    """Computes variance components of outcomes y[i, j, k, ...] = mean + a_i + b_ij + c_ijk + ... with random terms.

    The mean square of level l has the expectation sum_{m >= l} n_{m+1} ... n_L sigma_m^2, from which the components
    follow (estimates below 0 are set to 0). Their intervals are generalized confidence intervals: if the terms are
    normal, mean squares divided by their expectations are independent chi-squared variables. For a multidimensional
    outcome, the degrees of freedom are multiplied by the effective dimension of its covariance, which is estimated.

    Args:
        outcomes: float[n_1, ..., n_L, ...], one axis for each level of a balanced tree, from the root on: roots, forks
            of a root, forks of a fork. Further axes are dimensions of the outcome, whose variances are summed.
        sources: the L names of the levels.
        seed: of the draws for the intervals.

    Returns:
        NestedComponents, float[L] each.

    Raises:
        InputError: if there are fewer axes than levels, a level has one unit, or outcomes are not finite.

    Source: Searle, Casella, McCulloch: Variance Components (1992), chapter 3; Weerahandi 1993 (the intervals).

    >>> rng = np.random.default_rng(0)
    >>> roots, forks = rng.normal(size=(50, 1)), rng.normal(size=(50, 20))
    >>> nested_components(roots + 0.5 * forks, ("root", "fork")).variance.round(1).tolist()
    [0.9, 0.2]
    """
    y, num_levels = np.asarray(outcomes, float), len(sources)
    counts = y.shape[:num_levels]
    if y.ndim < num_levels or min(counts, default=0) < 2 or not np.isfinite(y).all():
        expected = f"expected finite values with {num_levels} axes of 2 units or more, for {', '.join(sources)}"
        raise InputError(f"outcomes have shape {y.shape} or are not finite; {expected}")
    squares = _squares(y.reshape(*counts, -1), num_levels)
    freedom = [math.prod(counts[:level]) * (counts[level] - 1) for level in range(num_levels)]
    means = np.array([square.sum() / df for (square, _), df in zip(squares, freedom, strict=True)])
    each = zip(squares, freedom, strict=True)
    effective = [df * effective_dimension(*square, df) for square, df in each]
    rng = np.random.default_rng(seed)
    chi = np.array([rng.chisquare(df, DRAWS) / df for df in effective])
    drawn = _components(means[:, None] / chi, counts)
    variance = np.maximum(_components(means[:, None], counts)[:, 0], 0)
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.maximum(np.percentile(drawn, [tail, 100 - tail], axis=1), 0)
    of_whole = drawn / drawn.sum(0)
    share_low, share_high = np.clip(np.percentile(of_whole, [tail, 100 - tail], axis=1), 0, 1)
    with np.errstate(invalid="ignore"):
        share = variance / variance.sum()
    return NestedComponents(tuple(sources), variance, low, high, share, share_low, share_high)


def _squares(y: np.ndarray, num_levels: int) -> list[tuple[np.ndarray, float]]:
    """Returns for each level the sums of squares by dimension, and the squared Frobenius norm of their matrix."""
    means = [y.mean(tuple(range(level, num_levels)), keepdims=True) for level in range(num_levels + 1)]
    deviations = (after - before for before, after in zip(means, means[1:], strict=False))
    return [square_norms(np.broadcast_to(one, y.shape).reshape(-1, y.shape[-1])) for one in deviations]


def _components(means: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Returns the levels' variances from (draws of) their mean squares; some may be negative, their sum is not."""
    below = [math.prod(counts[level + 1 :]) for level in range(len(counts))]
    next_means = [*means[1:], np.zeros_like(means[0])]
    return np.stack([(own - other) / num for own, other, num in zip(means, next_means, below, strict=True)])


class DesignEffect(NamedTuple):
    """The intraclass correlation of units in one group, and the number of independent observations that the units of
    one group are worth, each with a 95% confidence interval."""

    correlation: float
    correlation_low: float
    correlation_high: float
    observations: float
    observations_low: float
    observations_high: float


def design_effect(outcomes: ArrayLike) -> DesignEffect:
    """Computes how many observations the n correlated units of a group are, such as six directions of one network.

    With the intraclass correlation rho = s_a^2 / (s_a^2 + s_e^2) of y[i, j] = mean + a_i + e_ij, the mean over n units
    varies as that of n / (1 + (n - 1) rho) independent ones; the denominator is the design effect (Kish 1965).

    Args:
        outcomes: float[I, n], I groups of n units.

    Returns:
        A DesignEffect. The interval is exact if the terms are normal (Searle 1971, from the F distribution).

    Raises:
        InputError: if there are fewer than two groups or units, or outcomes are not finite.

    >>> rng = np.random.default_rng(0)
    >>> f"{design_effect(rng.normal(size=(200, 1)) + 0.5 * rng.normal(size=(200, 6))).observations:.1f}"
    '1.2'
    """
    y = np.asarray(outcomes, float)
    if y.ndim != 2 or min(y.shape, default=0) < 2 or not np.isfinite(y).all():
        raise InputError(f"outcomes have shape {y.shape} or are not finite; expected finite [groups >= 2, units >= 2]")
    num_groups, num = y.shape
    between = num * y.mean(1).var(ddof=1)
    within = y.var(1, ddof=1).mean()
    freedom = num_groups - 1, num_groups * (num - 1)
    tail = (1 - COVERAGE) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(between, within)
        ratios = ratio, ratio / stats.f.ppf(1 - tail, *freedom), ratio / stats.f.ppf(tail, *freedom)
        found = [1.0 if np.isinf(one) else float(np.clip((one - 1) / (one - 1 + num), 0, 1)) for one in ratios]
    rho, low, high = found
    worth, most, least = (num / (1 + (num - 1) * one) for one in found)
    return DesignEffect(rho, low, high, worth, least, most)
