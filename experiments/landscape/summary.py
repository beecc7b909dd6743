"""Regimes of training against the learning rate, and where exponents and sharpness cross."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.experiments.landscape.kinds import Kind
from pathjax.reporting.tables import interval, number

WITHIN = 0.05  # of the threshold: the edge of stability
ALTERNATES = 0.5  # alternation from which on the loss has a period of two steps
NOTE = (
    "Rate times sharpness, exponents (nats per step) and alternation (share of the variance of the loss's second "
    "differences with a period of two steps) are those of the last third of the run; means over initializations [95%]. "
    "The exponent of the smallest curvature is that of a quadratic with the smallest eigenvalue of the Hessian that 25 "
    "products find, and may be larger. Runs that diverged are left out of means. Adam has no metric before its first "
    "step."
)


class Found(NamedTuple):
    """What is found for one kind of training, by learning rate and initialization; NaN for runs that diverged.

    Attributes:
        rates: learning rates.
        threshold: of rate times sharpness.
        start: rate times sharpness before the first step, float[rate, init].
        edge: that in the last third of the run.
        exponents: in the last third, nats per step.
        lowest: rate times the smallest eigenvalue in the last third.
        lowest_exponents: those of a quadratic of that curvature.
        alternation: see `curves.alternation`.
        catapulted: the largest loss relative to the first.
        products: mean Hessian-vector products of a reading after the first.
        curves: of the first initialization, by learning rate: what a cell keeps.
    """

    rates: list[float]
    threshold: float
    start: np.ndarray
    edge: np.ndarray
    exponents: np.ndarray
    lowest: np.ndarray
    lowest_exponents: np.ndarray
    alternation: np.ndarray
    catapulted: np.ndarray
    products: np.ndarray
    curves: list[dict]


def summarize(kind: Kind, outcomes: Sequence[list[dict]]) -> Found:
    """Returns the numbers of all initializations of a kind of training."""

    def of(name: str) -> np.ndarray:
        return np.array([[one.get(name, np.nan) for one in rates] for rates in outcomes], float).T

    rates = [one["rate"] for one in outcomes[0]]
    return Found(
        rates,
        kind.threshold,
        of("start"),
        of("plateau"),
        of("exponent"),
        of("lowest"),
        kind.exponent(of("lowest")),
        of("alternation"),
        of("catapulted"),
        of("products"),
        list(outcomes[0]),
    )


def table(found: Found) -> list[tuple[str, ...]]:
    """Returns the rows of the table."""
    header = (
        *("rate", "rate x sharpness at start", "in the last third", "exponent", "of smallest curvature", "alternation"),
        *("products a reading", "regime"),
    )
    rows: list[tuple[str, ...]] = [header]
    for i, rate in enumerate(found.rates):
        means = [
            interval(*mean_over_units(values[i])) for values in (found.edge, found.exponents, found.lowest_exponents)
        ]
        start, turns = number(found.start[i].mean()), number(_mean(found.alternation[i]))
        products = number(_mean(found.products[i]))
        rows.append((f"{rate:g}", start, *means, turns, products, regime(found, i)))
    return rows


def _mean(values: np.ndarray) -> float:
    return mean_over_units(values).value


def regime(found: Found, i: int) -> str:
    """Names what training does at a learning rate: the regimes of all initializations, the most frequent first."""
    names = [_regime_of(found, i, j) for j in range(found.start.shape[1])]
    counts = {name: names.count(name) for name in names}
    if len(counts) == 1:
        return names[0]
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items(), key=lambda one: -one[1]))


def _regime_of(found: Found, i: int, j: int) -> str:
    if not np.isfinite(found.edge[i, j]):
        return "diverges"
    began = found.start[i, j] > found.threshold
    at_edge = found.edge[i, j] > (1 - WITHIN) * found.threshold
    words = ["catapult"] if began else []
    words.append("edge of stability" if at_edge else "stable")
    if at_edge and found.alternation[i, j] > ALTERNATES:
        words.append("period two")
    return " + ".join(words)


def crossing(rates: Sequence[float], values: np.ndarray, level: float) -> float:
    """Returns the learning rate at which values rise through a level for the last time and stay above it, interpolated
    in the logarithm of the rate; NaN if they do not. Values that are NaN are left out.

    >>> round(crossing([1.0, 2.0, 4.0], np.array([-1.0, -1.0, 1.0]), 0.0), 3)
    2.828
    """
    known = np.isfinite(values)
    logs, values = np.log(np.asarray(rates))[known], values[known] - level
    below = np.flatnonzero(values <= 0)
    if not len(below) or below[-1] == len(values) - 1:
        return float("nan")
    k = int(below[-1])
    share = -values[k] / (values[k + 1] - values[k])
    return float(np.exp(logs[k] + share * (logs[k + 1] - logs[k])))


def crossings(found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for each initialization, the rates at which the exponent crosses 0 and sharpness the threshold."""
    both = ((found.exponents, 0.0), (found.edge, found.threshold))
    zero, edge = (np.array([crossing(found.rates, own, level) for own in values.T]) for values, level in both)
    return zero, edge


def verdict(found: Found) -> list[str]:
    """Says where training is at the edge of stability, and where the exponent crosses 0."""
    near = [
        f"{rate:g} ({interval(*mean_over_units(own))})"
        for rate, own in zip(found.rates, found.edge, strict=True)
        if abs(_mean(own) / found.threshold - 1) <= WITHIN
    ]
    where = f"within {100 * WITHIN:g}% of the threshold {found.threshold:.3g}"
    lines = [f"Rate times sharpness is {where} at {', '.join(near)}." if near else f"It is nowhere {where}."]
    zero, edge = crossings(found)
    lines.append(_sentence("The exponent crosses 0", zero) + " " + _sentence("Sharpness crosses the threshold", edge))
    ratio = np.log(zero / edge)
    if np.isfinite(ratio).sum() >= 2:
        mean = mean_over_units(ratio)
        agree = "which agree" if mean.low <= 0 <= mean.high else "which differ"
        lines.append(f"Ratio of the two rates: {interval(*Interval(*np.exp(mean)))}, {agree}.")
    return [*lines, _signs(found), _of_smallest(found)]


def _signs(found: Found) -> str:
    """Says at which rates the sign of the exponent is known."""
    parts: dict[str, list[str]] = {"below 0": [], "above 0": [], "of unknown sign": []}
    for rate, own in zip(found.rates, found.exponents, strict=True):
        mean = mean_over_units(own)
        if np.isfinite(mean.value):
            sign = "below 0" if mean.high < 0 else "above 0" if mean.low > 0 else "of unknown sign"
            parts[sign].append(f"{rate:g}")
    return f"By its interval, the exponent is {_where(parts)}."


def _of_smallest(found: Found) -> str:
    """Says where the exponent is smaller than the smallest eigenvalue accounts for. No search finds less than that."""
    parts: dict[str, list[str]] = {"smaller": [], "not known to be smaller": []}
    for rate, own, of_quadratic in zip(found.rates, found.exponents, found.lowest_exponents, strict=True):
        mean = mean_over_units(own - of_quadratic)
        if np.isfinite(mean.value):
            parts["smaller" if mean.high < 0 else "not known to be smaller"].append(f"{rate:g}")
    return f"Compared with that of the smallest curvature, it is {_where(parts)}."


def _where(parts: dict[str, list[str]]) -> str:
    told = [f"{what} at {', '.join(rates)}" for what, rates in parts.items() if rates]
    return "; ".join(told) if told else "unknown at all rates"


def _sentence(what: str, rates: np.ndarray) -> str:
    known = np.isfinite(rates)
    if not known.any():
        return f"{what} at no rate."
    mean = Interval(*np.exp(mean_over_units(np.log(rates)))) if known.sum() > 1 else None
    text = interval(*mean) if mean else f"{number(rates[known][0])} (one initialization, no interval)"
    return f"{what} at {text}" + (f" in {known.sum()} of {len(rates)}." if not known.all() else ".")
