"""Probabilities of rare outcomes of a random start, by subset simulation."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from pathjax.analysis.intervals import CONFIDENCE, share
from pathjax.core.errors import require, require_count

ACCEPTED = 0.4  # share of accepted moves that the size of moves aims at
LARGEST = 1.5  # of a move; pi / 2 forgets the start


class Bits(NamedTuple):
    """The rarity of an outcome, -log2 of its probability, with a 95% confidence interval.

    Attributes:
        bits: -log2 p. With `is_bound` the outcome was not reached, and is at least that rare.
        low, high: the interval; infinite above for a bound, and NaN for a single repetition. With few repetitions it
            covers more often than 95%.
        each: float[repeat], of each repetition.
        is_bound: whether some repetition ended before it reached the outcome.
        num_levels: levels, on average.
        moved: share of the accepted moves, on average over levels.
        num_scores: number of starts whose outcome was computed.
    """

    bits: float
    low: float
    high: float
    each: np.ndarray
    is_bound: bool
    num_levels: float
    moved: float
    num_scores: int


class _One(NamedTuple):
    bits: float
    least_variance: float
    reached: bool
    num_levels: int
    moved: float
    num_scores: int


def counted(scores: np.ndarray, threshold: float) -> Bits:
    """Counts how often a score reaches a threshold in independent draws, where that is common.

    Args:
        scores: float[n] of random starts.
        threshold: of the outcome.

    Returns:
        Bits, with the exact interval of Clopper and Pearson; if no draw reaches it, a bound.

    >>> found = counted(np.arange(8), 6)
    >>> found.bits, found.low < 2 < found.high
    (2.0, True)
    """
    total = len(scores)
    num = int(np.sum(np.asarray(scores) >= threshold))
    found = share(num, total)
    low = -math.log2(found.high)
    bits = -math.log2(found.value) if num else low
    high = -math.log2(found.low) if num else math.inf
    return Bits(bits, low, high, np.array([bits]), not num, 1, math.nan, total)


def subset_simulation(
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    move: Callable[[np.random.Generator, np.ndarray, float], np.ndarray],
    score: Callable[[np.ndarray], np.ndarray],
    threshold: float,
    *,
    num: int = 400,
    kept: float = 0.25,
    num_moves: int = 6,
    num_repeats: int = 4,
    max_bits: float = 200,
) -> Bits:
    """Estimates the probability that the score of a random start is at least a threshold, however rare that is.

    The event is a product of likelier ones. Level by level, the share `kept` of starts with the highest scores is
    copied, and each copy moves at random; a move that falls below the level is refused, so that the copies follow the
    distribution of starts under the condition that they are above the level. The probability is the product of the
    shares above the levels. Moves adapt their size to accept four in ten. Repetitions are independent: log2 p is that
    of a lognormal mean, mean + ln 2 / 2 var of the repetitions' log2, with Cox's interval; their variance is at least
    that of independent starts at each level, sum (1 - share) / (num share) / ln(2)^2.

    Args:
        rng: random generator.
        draw: `draw(rng, n) -> float[n, ...]`, independent starts.
        move: `move(rng, starts, size) -> float[n, ...]`, which keeps their distribution and is reversible; `rotated`
            on spheres and `mixed` for normal starts do.
        score: `score(starts) -> float[n]`, the outcome of each; it must be the same each time.
        threshold: of the outcome.
        num: starts at each level.
        kept: share of them above the next level.
        num_moves: moves of each copy at each level.
        num_repeats: repetitions.
        max_bits: rarity at which a repetition stops.

    Returns:
        Bits.

    Raises:
        InputError: for sizes out of range, or scores that are not finite.

    Source: Au & Beck 2001, Probabilistic Engineering Mechanics 16, 263; Zhou & Gao 1997, Stat. Med. 16, 783 (Cox's
    interval).

    >>> rng = np.random.default_rng(0)
    >>> normal = lambda rng, n: rng.normal(size=(n, 9))
    >>> found = subset_simulation(rng, normal, mixed, lambda x: x[:, 0], 5.0)  # 21.73 bits
    >>> bool(abs(found.bits - 21.73) < 1)
    True
    """
    for name, value, least in (("num", num, 8), ("num_moves", num_moves, 1), ("num_repeats", num_repeats, 1)):
        require_count(name, value, least)
    require(0 < kept <= 0.5 and kept * num >= 2, f"kept={kept:g} is out of range: choose up to 0.5, and 2 of {num}")
    require(math.isfinite(threshold), f"threshold must be finite, not {threshold}")
    runs = [_one(rng, draw, move, score, threshold, num, kept, num_moves, max_bits) for _ in range(num_repeats)]
    each = np.array([one.bits for one in runs])
    reached = all(one.reached for one in runs)
    num_levels, moved = (float(np.mean([getattr(one, name) for one in runs])) for name in ("num_levels", "moved"))
    bits, reach = _lognormal(each, float(np.mean([one.least_variance for one in runs])))
    low, high = bits - reach, bits + reach
    if not reached:
        low, high = bits if num_repeats == 1 else low, math.inf
    return Bits(bits, low, high, each, not reached, num_levels, moved, sum(one.num_scores for one in runs))


def _lognormal(each: np.ndarray, least_variance: float) -> tuple[float, float]:
    """Returns -log2 of the mean probability, and half its interval."""
    num = len(each)
    if num < 2:
        return float(each[0]), math.nan
    factor, variance = math.log(2) / 2, max(float(each.var(ddof=1)), least_variance)
    error = math.sqrt(variance / num + factor**2 * 2 * variance**2 / (num - 1))
    return float(each.mean() - factor * variance), float(stats.t.ppf((1 + CONFIDENCE) / 2, num - 1)) * error


def _one(rng, draw, move, score, threshold, num, kept, num_moves, max_bits) -> _One:
    starts = draw(rng, num)
    scores = _scored(score, starts)
    accepted: list[float] = []
    bits, variance, size, num_scores = 0.0, 0.0, LARGEST, num
    while True:
        level = float(np.quantile(scores, 1 - kept))
        if (scores >= level).all() and scores.max() > level:
            level = float(scores[scores > level].min())  # of scores with many ties, the next one
        level = min(level, threshold)
        above = np.flatnonzero(scores >= level)
        bits -= math.log2(len(above) / num)
        variance += (1 - len(above) / num) / len(above) / math.log(2) ** 2
        is_stuck = len(above) == num  # all scores are the same
        if level >= threshold or is_stuck or bits > max_bits:
            reached = level >= threshold
            return _One(bits, variance, reached, len(accepted) + 1, float(np.mean(accepted or [math.nan])), num_scores)
        chosen = np.concatenate([rng.permutation(above) for _ in range(math.ceil(num / len(above)))])[:num]
        starts, scores = starts[chosen], scores[chosen]
        rates = []
        for _ in range(num_moves):
            moved = move(rng, starts, size)
            after = _scored(score, moved)
            stays = after >= level
            starts[stays], scores[stays] = moved[stays], after[stays]
            rates.append(float(stays.mean()))
            size = min(size * math.exp(rates[-1] - ACCEPTED), LARGEST)
            num_scores += num
        accepted.append(float(np.mean(rates)))


def _scored(score: Callable, starts: np.ndarray) -> np.ndarray:
    found = np.array(score(starts), float)
    require(found.shape == starts.shape[:1], f"score returned shape {found.shape}: expected ({len(starts)},)")
    require(bool(np.isfinite(found).all()), "a score is not finite: return a finite number for each start")
    return found


def mixed(rng: np.random.Generator, starts: np.ndarray, size: float) -> np.ndarray:
    """Moves standard normal starts x to cos(a) x + sin(a) z with new normal z and the angle a: normal again.

    Args:
        rng: random generator.
        starts: float[n, ...].
        size: the angle a, in radians.

    Returns:
        float[n, ...].

    Source: Neal 1999 (the proposal, later called preconditioned Crank-Nicolson).

    >>> mixed(np.random.default_rng(0), np.ones((2, 3)), 0.0).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    return math.cos(size) * starts + math.sin(size) * rng.normal(size=starts.shape)


def rotated(rng: np.random.Generator, starts: np.ndarray, size: float) -> np.ndarray:
    """Rotates points of a sphere by an angle in random directions, which keeps the uniform distribution.

    Args:
        rng: random generator.
        starts: float[n, d], on spheres around 0 of any radius; zeros stay. If d is 1, the sphere is two points, and the
            sign changes with probability size / pi.
        size: the angle, in radians.

    Returns:
        float[n, d], of the same norms.

    >>> moved = rotated(np.random.default_rng(0), np.array([[3.0, 4.0, 0.0]]), 0.5)
    >>> round(float(np.linalg.norm(moved)), 6), round(float(moved[0] @ [3, 4, 0]) / 25, 6) == round(math.cos(0.5), 6)
    (5.0, True)
    """
    if starts.shape[1] == 1:
        return np.where(rng.random(starts.shape) < size / math.pi, -starts, starts)
    norms = np.linalg.norm(starts, axis=1, keepdims=True)
    unit = starts / np.where(norms > 0, norms, 1)
    away = rng.normal(size=starts.shape)
    away -= (away * unit).sum(1, keepdims=True) * unit
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return norms * (math.cos(size) * unit + math.sin(size) * away)
