"""Variance components of a crossed design: how much of the outcome of training each source explains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError

DRAWS = 4000
COVERAGE = 0.95


@shown_in_short
class VarianceShares(NamedTuple):
    """Shares of the variance by source, which sum to 1, with 95% confidence intervals; and the variances, summed over
    the outcome's dimensions."""

    sources: tuple[str, ...]
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    variance: np.ndarray


def variance_components(
    outcomes: ArrayLike,
    sources: tuple[str, str, str, str] = ("initialization", "schedule", "interaction", "rest"),
    seed: int = 0,
) -> VarianceShares:
    """Computes variance components of outcomes y[i, s, p] = mean + a_i + b_s + c_is + e_isp with random terms.

    The mean squares of the four sources give the components (estimates below 0 are set to 0). Their intervals are
    generalized confidence intervals: if the terms are normal, mean squares divided by their expectations are
    independent chi-squared variables. For a multidimensional outcome, the degrees of freedom are multiplied by the
    effective dimension of its covariance, which is estimated.

    Args:
        outcomes: float[I, S, P, ...]: initializations, schedules, repetitions; further axes are dimensions of the
            outcome, whose variances are summed. With P = 1 the third source cannot be separated from the fourth: it is
            NaN, and the fourth includes it.
        sources: names of the four sources.
        seed: of the draws for the intervals.

    Raises:
        InputError: if there are fewer than two initializations or schedules, or outcomes are not finite.

    Source: Searle, Casella, McCulloch: Variance Components (1992), chapter 4; Weerahandi 1993 (the intervals); the
    dimension as in Bai and Saranadasa 1996.

    >>> rng = np.random.default_rng(0)
    >>> outcomes = rng.normal(size=(30, 1, 1)) + 0.1 * rng.normal(size=(30, 20, 2))
    >>> variance_components(outcomes).share.round(2).tolist()[:2]
    [0.99, 0.0]
    """
    y = np.asarray(outcomes, float)
    if y.ndim < 3 or min(y.shape[:2]) < 2 or not y.shape[2] or not np.isfinite(y).all():
        expected = "expected finite values [initializations >= 2, schedules >= 2, repetitions >= 1, ...]"
        raise InputError(f"outcomes have shape {y.shape} or are not finite; {expected}")
    num_i, num_s, num_p = y.shape[:3]
    squares = _squares(y.reshape(num_i, num_s, num_p, -1))
    freedom = _freedom(num_i, num_s, num_p)
    means = [square.sum() / df if df else np.nan for (square, _), df in zip(squares, freedom, strict=True)]
    effective = [
        df * effective_dimension(*square, df) if df else 0.0 for square, df in zip(squares, freedom, strict=True)
    ]
    variance = np.maximum(_components(np.array(means)[:, None], num_i, num_s, num_p)[:, 0], 0)
    rng = np.random.default_rng(seed)
    chi = np.array([rng.chisquare(df, DRAWS) / df if df else np.full(DRAWS, np.nan) for df in effective])
    drawn = _shares(_components(np.array(means)[:, None] / chi, num_i, num_s, num_p))
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.clip(_percentiles(drawn, tail), 0, 1)
    return VarianceShares(tuple(sources), _shares(variance[:, None])[:, 0], low, high, variance)


def _percentiles(drawn, tail: float):
    """Lower and upper percentiles of each source; NaN for a source that cannot be estimated."""
    found = np.full((2, len(drawn)), np.nan)
    known = np.isfinite(drawn).all(1)
    found[:, known] = np.percentile(drawn[known], [tail, 100 - tail], axis=1)
    return found


def _squares(y) -> list[tuple[np.ndarray, float]]:
    """For each source: the sums of squares by dimension, and the squared Frobenius norm of their matrix."""
    of_i, of_s, cells = y.mean((1, 2), keepdims=True), y.mean((0, 2), keepdims=True), y.mean(2, keepdims=True)
    mean = y.mean((0, 1, 2), keepdims=True)
    deviations = (of_i - mean, of_s - mean, cells - of_i - of_s + mean, y - cells)
    return [square_norms(np.broadcast_to(d, y.shape).reshape(-1, y.shape[-1])) for d in deviations]


def square_norms(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the sums of squares by dimension, and the squared Frobenius norm of their matrix rows^T rows.

    >>> square_norms(np.eye(2))
    (array([1., 1.]), 2.0)
    """
    small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows  # both have the same norm
    return (rows**2).sum(0), float((small**2).sum())


def _freedom(num_i: int, num_s: int, num_p: int) -> list[int]:
    return [num_i - 1, num_s - 1, (num_i - 1) * (num_s - 1), num_i * num_s * (num_p - 1)]


def effective_dimension(squares: np.ndarray, frobenius: float, df: int) -> float:
    """Returns (tr Sigma)^2 / tr Sigma^2, at least 1; both are unbiased estimates from the matrix of mean squares.

    >>> effective_dimension(np.ones(1), 1.0, 9)
    1.0
    """
    trace2, norm2 = (squares.sum() / df) ** 2, frobenius / df**2
    # E tr(S)^2 = tr^2 + 2 f / df and E tr(S^2) = f (1 + 1 / df) + tr^2 / df, with f = tr Sigma^2.
    if df == 1 or trace2 == 0:
        return 1.0
    f = (norm2 - trace2 / df) / (1 + 1 / df - 2 / df**2)
    tr2 = trace2 - 2 * f / df
    return float(np.clip(tr2 / f, 1, len(squares))) if f > 0 else float(len(squares))


def _components(means, num_i: int, num_s: int, num_p: int) -> np.ndarray:
    """Variances of the four sources from (draws of) their mean squares; some may be negative, their sum is not.

    The intervals use these values. If negative draws were set to 0, the share of a source that explains everything
    would always be below 1.
    """
    of_i, of_s, both, rest = means
    if num_p == 1:
        parts = [(of_i - both) / num_s, (of_s - both) / num_i, np.full_like(both, np.nan), both]
    else:
        parts = [(of_i - both) / (num_s * num_p), (of_s - both) / (num_i * num_p), (both - rest) / num_p, rest]
    return np.stack(parts)


def _shares(variances) -> np.ndarray:
    total = np.nansum(variances, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return variances / total
