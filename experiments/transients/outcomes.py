"""Exponents and training times of each learning rate, and whether the fastest is chaotic."""

from typing import NamedTuple

import numpy as np

from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.reporting.tables import interval, number

ACCURACIES = (0.5, 0.7, 0.8)  # on the test set, to be reached
ACCEPTABLE = 0.8  # the one of the verdict
SATURATED = 100.0  # exponents are those of distances below the largest divided by this
GROWTH = 10.0  # an exponent counts as positive if distances grow by more than this factor in the run
OTHER_GROWTHS = (2.0, 100.0)  # factors with which the verdict is repeated
NUM_RESAMPLES, SURE = 4000, 0.95


class Summary(NamedTuple):
    """What is found, by learning rate (in order) and initialization.

    Attributes:
        rates: learning rates.
        exponents: nats per step, float[rate, init].
        times: steps until an accuracy is reached, by accuracy, float[rate, init]; NaN if it is not.
        positive: the rates whose exponents are positive.
        bar: above it, exponents count as positive.
        steps: the run's steps.
        fastest: for each accuracy the share of resampled initializations in which each rate has the shortest mean time.
    """

    rates: list[float]
    exponents: np.ndarray
    times: dict[float, np.ndarray]
    positive: list[float]
    bar: float
    steps: int
    fastest: dict[float, np.ndarray]


def summarize(outcomes: dict[float, dict], every: int) -> Summary:
    """Returns exponents and times from the curves of each learning rate.

    Args:
        outcomes: by learning rate, "log_distance" and "accuracy", each [record, init].
        every: steps between records.
    """
    rates = sorted(outcomes)
    distances = [np.array(outcomes[rate]["log_distance"], float) for rate in rates]
    accuracies = [np.array(outcomes[rate]["accuracy"], float) for rate in rates]
    steps = every * (len(distances[0]) - 1)
    exponents = np.array([[exponent(curve, every) for curve in each.T] for each in distances])
    times = {
        level: np.array([[_first(curve >= level, every) for curve in each.T] for each in accuracies])
        for level in ACCURACIES
    }
    positive = [rate for rate, own in zip(rates, exponents, strict=True) if is_positive(own, steps)]
    fastest = {level: _shares_of_fastest(own, steps) for level, own in times.items()}
    return Summary(rates, exponents, times, positive, float(np.log(GROWTH) / steps), steps, fastest)


def exponent(log_distance: np.ndarray, every: int) -> float:
    """Returns the mean growth rate of a distance, in nats per step, until it comes near its largest value.

    That is the slope from the start to the first record above the largest one divided by SATURATED; to the last one if
    there is none before, as for a distance that hardly grows.

    >>> exponent(np.array([0.0, 3.0, 6.0, 9.0, 9.0]), 10)
    0.3
    """
    if not np.isfinite(log_distance).all():
        return float("nan")
    near = log_distance > log_distance.max() - np.log(SATURATED)
    end = int(np.argmax(near)) if near.any() and not near[0] else len(log_distance) - 1
    return float((log_distance[end] - log_distance[0]) / (end * every))


def is_positive(exponents: np.ndarray, steps: int, growth: float = GROWTH) -> bool:
    """Whether the interval of the mean lies above the growth by a factor in the run."""
    return bool(mean_over_units(exponents).low > np.log(growth) / steps)


def _first(reached: np.ndarray, every: int) -> float:
    return float(every * np.argmax(reached)) if reached.any() else float("nan")


def _shares_of_fastest(times: np.ndarray, steps: int) -> np.ndarray:
    """Returns in what share of resampled initializations each rate has the shortest mean time; runs that do not get
    there count as the run's length, so that the mean is a lower bound. Ties are shared."""
    if np.isnan(times).all():
        return np.full(len(times), np.nan)
    rng = np.random.default_rng(0)
    picked = rng.integers(times.shape[1], size=(NUM_RESAMPLES, times.shape[1]))
    means = np.where(np.isnan(times), steps, times)[:, picked].mean(-1)
    is_best = means == means.min(0)
    return (is_best / is_best.sum(0)).mean(-1)


def table(found: Summary) -> list[tuple[str, ...]]:
    """Returns the rows of the table."""
    levels = [f"steps to accuracy {level:g}" for level in found.times]
    header = ("learning rate", "exponent per step [95%]", "positive", *levels, f"fastest to {ACCEPTABLE:g}: share")
    rows: list[tuple[str, ...]] = [header]
    for i, rate in enumerate(found.rates):
        times = [_time(own[i], found.steps) for own in found.times.values()]
        exponents = interval(*mean_over_units(found.exponents[i]))
        sign = "yes" if rate in found.positive else "no"
        rows.append((f"{rate:g}", exponents, sign, *times, number(found.fastest[ACCEPTABLE][i])))
    return rows


def _time(times: np.ndarray, steps: int) -> str:
    reached = np.isfinite(times)
    if not reached.any():
        return f"more than {steps}"
    if not reached.all():
        return f"{reached.sum()} of {len(times)} runs reach it"
    return interval(*mean_over_units(times))


def verdict(found: Summary) -> list[str]:
    """Returns what the run says about the claim."""
    window = _window(found)
    note = (
        f"Exponents: mean growth rate of the 1-norm distance to copies until it comes within a factor of {SATURATED:g} "
        f"of its largest value; means over initializations. They count as positive above {found.bar:.3g}, a factor of "
        f"{GROWTH:g} in {found.steps} steps. Distances are kept to three decimals of their logarithm, so that "
        "exponents below 1e-5 are rounding."
    )
    shares = found.fastest[ACCEPTABLE]
    if np.isnan(shares).all():
        return [note, f"{window}; no run reaches an accuracy of {ACCEPTABLE:g} in {found.steps} steps."]
    inside, answer = _answer(found, found.positive)
    best = found.rates[int(np.argmax(shares))]
    at = interval(*_of_rate(found, best))
    times = interval(*mean_over_units(found.times[ACCEPTABLE][found.rates.index(best)]))
    text = (
        f"{window}. Training to {ACCEPTABLE:g} is fastest at {best:g} (exponent {at}, {times} steps); the fastest rate "
        f"has a positive exponent in {100 * inside:.3g}% of resampled initializations: that training is fastest where "
        f"exponents are positive {answer}."
    )
    return [note, text, *(_with_growth(found, growth) for growth in OTHER_GROWTHS), _where(found)]


def _answer(found: Summary, positive: list[float]) -> tuple[float, str]:
    """Returns the share of resampled initializations in which the fastest rate is a positive one, and what it means."""
    shares = found.fastest[ACCEPTABLE]
    inside = float(sum(share for share, rate in zip(shares, found.rates, strict=True) if rate in positive))
    return inside, "holds" if inside >= SURE else "fails" if inside <= 1 - SURE else "cannot be told"


def _with_growth(found: Summary, growth: float) -> str:
    """Repeats the verdict with another factor."""
    pairs = zip(found.rates, found.exponents, strict=True)
    positive = [rate for rate, own in pairs if is_positive(own, found.steps, growth)]
    inside, answer = _answer(found, positive)
    where = f"from {positive[0]:g} to {positive[-1]:g}" if positive else "at no rate"
    return f"With a factor of {growth:g}, exponents are positive {where}, and it {answer} ({100 * inside:.3g}%)."


def _of_rate(found: Summary, rate: float) -> Interval:
    return mean_over_units(found.exponents[found.rates.index(rate)])


def _window(found: Summary) -> str:
    if not found.positive:
        return "No learning rate has a positive exponent"
    first, last = found.rates.index(found.positive[0]), found.rates.index(found.positive[-1])
    holes = [rate for rate in found.rates[first : last + 1] if rate not in found.positive]
    text = f"Exponents are positive from {found.positive[0]:g} to {found.positive[-1]:g}"
    return text + (f", but for {', '.join(f'{rate:g}' for rate in holes)}" if holes else "")


def _where(found: Summary) -> str:
    """Says whether the fastest rate is the most chaotic one."""
    most = found.rates[int(np.nanargmax(found.exponents.mean(1)))]
    slower = [rate for rate in found.positive if found.fastest[ACCEPTABLE][found.rates.index(rate)] < 1 - SURE]
    others = [
        f"to {level:g} at {found.rates[int(np.argmax(shares))]:g}"
        for level, shares in found.fastest.items()
        if not np.isnan(shares).all()
    ]
    return (
        f"Training is fastest {', '.join(others)}. The largest exponent is at {most:g} "
        f"({interval(*_of_rate(found, most))}); of the {len(found.positive)} rates with positive exponents "
        f"{len(slower)} are almost surely not the fastest to {ACCEPTABLE:g}."
    )
