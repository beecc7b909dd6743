"""Predicts distances from kinks, with coefficients of other initializations at another epsilon."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from pathjax.analysis.statistics import half_interval


class Coefficients(NamedTuple):
    """The coefficients of d(d^2)/dt = 2 growth d^2 + noise d, float[interval] each, and what they consist of.

    Attributes:
        growth: per step: what moves all separations alike, smooth growth less the healing of kinks.
        noise: r J^2, the squared displacement due to kinks per step and distance.
        rate: r, crossings per step and distance.
        healing: h per step, the part of `growth` that kinks take away (negative: add).
    """

    growth: np.ndarray
    noise: np.ndarray
    rate: np.ndarray
    healing: np.ndarray


def coefficients(trajectory: xr.Dataset, epsilon: float, inits, learning_rate: float) -> Coefficients:
    """Measures the coefficients between records, on members of some initializations.

    In each interval, growth = (the change of sum d^2 - rate^2 sum |G|^2) / (2 sum |s|^2), and noise = rate^2 sum |G|^2
    / sum |s|, with the sums that `pathjax.observables.kink_crossings` records: an identity for these members, as long
    as the gradient due to kinks is orthogonal to the smooth change.

    Args:
        trajectory: of the laws experiment.
        epsilon: of the members.
        inits: indices of the initializations.
        learning_rate: of SGD.

    Returns:
        Coefficients.
    """
    some = trajectory.isel(init=np.asarray(inits), member=trajectory.epsilon.values == epsilon)
    over = ("init", "member")
    summed = {str(name): some[name].sum(over).values.astype(float)[1:] for name in KINKS}
    squares = (some.distance.astype(float) ** 2).sum(over).values
    kicks = learning_rate**2 * summed["kink_squared"]
    growth = (np.diff(squares) - kicks) / (2 * summed["separation_squared"])
    healing = learning_rate * summed["kink_along"] / summed["separation_squared"]
    return Coefficients(
        growth, kicks / summed["separation_sum"], summed["crossings"] / summed["separation_sum"], healing
    )


KINKS = ("crossings", "kink_squared", "kink_along", "separation_sum", "separation_squared")


def predicted_members(
    steps: np.ndarray, start: float, found: Coefficients, num: int = 400, seed: int = 0
) -> np.ndarray:
    """Draws distances of members whose crossings are independent events, float[record, num].

    A member has Poisson(r d) crossings per step, each of which adds the squared displacement J^2 = noise / rate, times
    an exponential variable of mean 1, since errors and inputs vary. While r d < 1, most members have none.
    """
    rng = np.random.default_rng(seed)
    squares, rows = np.full(num, start**2), [np.full(num, start)]
    jumps = found.noise / np.maximum(found.rate, 1e-300)
    for duration, growth, rate, jump in zip(np.diff(steps), found.growth, found.rate, jumps, strict=True):
        for _ in range(int(duration)):
            hits = rng.poisson(rate * np.sqrt(squares))
            squares = squares * np.exp(2 * growth) + jump * rng.gamma(np.maximum(hits, 1e-12)) * (hits > 0)
        rows.append(np.sqrt(squares))
    return np.array(rows)


def rates_of(trajectory: xr.Dataset, epsilon: float, learning_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns r, crossings per step and distance, and h, healing per step, of each initialization's members at one
    epsilon, as means over the run: float[init] each."""
    inits = range(trajectory.sizes["init"])
    each = [coefficients(trajectory, epsilon, [i], learning_rate) for i in inits]
    return np.array([one.rate.mean() for one in each]), np.array([one.healing.mean() for one in each])


class Prediction(NamedTuple):
    """What the other initializations predict for each one's members at one epsilon.

    Attributes:
        epsilon: of the members.
        start: float[init], their distance at the start.
        measured, predicted: float[init], medians over members at the end.
        quantiles, drawn: float[3], 16%, 50% and 84% of d(T)/d(0) over all members, measured and predicted. Predicted
            members have crossings that are independent events (`predicted_members`).
        untouched, expected: float[record, init], shares of members that no kink has separated from the baseline yet:
            measured, and exp(-r d t) as predicted.
    """

    epsilon: float
    start: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    quantiles: np.ndarray
    drawn: np.ndarray
    untouched: np.ndarray
    expected: np.ndarray


def predictions(trajectory: xr.Dataset, reference: float, learning_rate: float) -> list[Prediction]:
    """Predicts each initialization's distances at every epsilon from the other initializations at one epsilon.

    Args:
        trajectory: of the laws experiment, with kinks.
        reference: the epsilon at which coefficients are measured, the largest: there, kinks add little.
        learning_rate: of SGD.

    Returns:
        A Prediction for each epsilon. Nothing in it is fitted to the members that it predicts.
    """
    num = trajectory.sizes["init"]
    others = [coefficients(trajectory, reference, np.delete(np.arange(num), i), learning_rate) for i in range(num)]
    epsilons = np.unique(trajectory.epsilon.values[trajectory.epsilon.values > 0])
    return [_prediction(trajectory, float(epsilon), others) for epsilon in epsilons]


def _prediction(trajectory: xr.Dataset, epsilon: float, others: list[Coefficients]) -> Prediction:
    own = trajectory.isel(member=trajectory.epsilon.values == epsilon)
    d, crossings = (own[name].transpose("step", "init", "member").values.astype(float) for name in DRAWN)
    steps, start = trajectory.step.values.astype(float), d[0].mean(1)
    drawn = [
        predicted_members(steps, first, found, seed=i)[-1] / first
        for i, (first, found) in enumerate(zip(start, others, strict=True))
    ]
    hits = [np.cumsum(np.concatenate([[0], found.rate * np.diff(steps)])) for found in others]
    return Prediction(
        epsilon,
        start,
        np.median(d[-1], axis=1),
        np.array([np.median(one) for one in drawn]) * start,
        np.quantile(d[-1] / d[0], QUANTILES),
        np.quantile(np.concatenate(drawn), QUANTILES),
        (np.cumsum(crossings, axis=0) == 0).mean(2),
        np.exp(-np.stack(hits, 1) * start),
    )


DRAWN, QUANTILES = ("distance", "crossings"), (0.16, 0.5, 0.84)


def measured_over_predicted(measured: ArrayLike, predicted: ArrayLike) -> tuple[float, float, float]:
    """Returns the geometric mean of measured over predicted over initializations, and its 95% confidence interval."""
    logs = np.log(np.asarray(measured) / np.asarray(predicted))
    mean, reach = logs.mean(), half_interval(logs)
    return float(np.exp(mean)), float(np.exp(mean - reach)), float(np.exp(mean + reach))
