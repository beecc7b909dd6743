"""The pattern-learning model: patterns are learned one by one, and the preferred one of those known decides.

An example is answered by a pattern if the network knows it. What a pattern answers is right with a probability of its
own. Epoch-wise double descent and grokking are two settings of the same model: a fast pattern that generalizes, or
none; a fast one that only memorizes; and a slow one that generalizes and replaces the others. docs/theory.md has the
formulas.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

Values = Sequence[float] | np.ndarray
Numbers = Values | float
FREE = ("prevalence", "speed", "half_time")


@shown_in_short
class Patterns(NamedTuple):
    """The parameters of n patterns, n values each.

    Attributes:
        prevalence: gamma, the share of examples that a pattern answers once it is learned, 0 to 1.
        speed: alpha, per step.
        half_time: b, the step at which half of the prevalence is reached.
        reliability: g, the probability that its answer is right on the test set, 0 to 1. On the training set it is 1.
        preference: of several patterns that answer an example, that of the highest preference decides; among equals,
            one of them at random.
    """

    prevalence: Values
    speed: Values
    half_time: Values
    reliability: Values
    preference: Values


@shown_in_short
class Accuracies(NamedTuple):
    """Accuracies on the training and the test set, float[time]."""

    train: np.ndarray
    test: np.ndarray


def learned(steps: ArrayLike, prevalence: Numbers, speed: Numbers, half_time: Numbers) -> np.ndarray:
    """Computes p(t) = gamma / (1 + exp(-alpha (t - b))), the probability that a pattern answers an example.

    Args:
        steps: float[time].
        prevalence, speed, half_time: gamma, alpha, b: numbers, or float[pattern].

    Returns:
        float[time], or float[time, pattern].

    Source: Davies, Langosco, Krueger 2023, "Unifying Grokking and Double Descent".

    >>> learned([30, 1000], 0.7, 0.15, 30).round(2).tolist()
    [0.35, 0.7]
    """
    gamma, alpha, b = (np.asarray(one, float) for one in (prevalence, speed, half_time))
    t = np.asarray(steps, float)
    t = t.reshape(t.shape + (1,) * max(gamma.ndim, alpha.ndim, b.ndim))
    return np.asarray(gamma * special.expit(alpha * (t - b)))


def deciding(known: ArrayLike, preference: Values) -> np.ndarray:
    """Computes the probability u_i that pattern i decides, if pattern j answers with probability p_j, independently.

    u_i = p_i prod_{j preferred to i} (1 - p_j) integral_0^1 prod_{j equal to i} (1 - p_j + p_j s) ds: the integral is
    the mean of 1 / (1 + number of equals that answer too), and the quadrature is exact for it.

    Args:
        known: p, float[..., pattern].
        preference: float[pattern]; higher is preferred.

    Returns:
        float[..., pattern], whose sum over patterns is 1 - prod (1 - p_j).

    Raises:
        InputError: if there is not one finite preference for each pattern.

    >>> deciding([0.5, 0.5, 0.2], [0, 0, 1]).round(2).tolist()  # 0.5 (1 - 0.2) (1 - 0.5 / 2) = 0.3
    [0.3, 0.3, 0.2]
    """
    p, order = np.asarray(known, float), np.asarray(preference, float)
    require(order.shape == p.shape[-1:], f"preference has shape {order.shape}: give one for each of {p.shape} patterns")
    require(bool(np.isfinite(order).all()), f"preference {order.tolist()} must be finite: give a number per pattern")
    nodes, weights = np.polynomial.legendre.leggauss(len(order) // 2 + 1)
    at = (nodes + 1) / 2
    found = np.empty_like(p)
    for i, own in enumerate(order):
        others = np.arange(len(order)) != i
        equals = p[..., others & (order == own)]
        alone = np.prod(1 - equals[..., None] * (1 - at), axis=-2) @ weights / 2
        found[..., i] = p[..., i] * np.prod(1 - p[..., order > own], axis=-1) * alone
    return found


def accuracies(steps: ArrayLike, patterns: Patterns, chance: float = 0.0) -> Accuracies:
    """Computes the model's accuracies: train 1 - prod (1 - p_i), test sum g_i u_i; `chance` where no pattern answers.

    Args:
        steps: float[time].
        patterns: of any number.
        chance: accuracy on examples that no pattern answers, such as 1 / classes.

    Returns:
        Accuracies.

    Source: Davies, Langosco, Krueger 2023, "Unifying Grokking and Double Descent".

    >>> descent = Patterns((0.7, 1, 0.2), (0.15, 0.15, 0.05), (30, 50, 200), (1, 0, 1), (0, 0, 1))
    >>> found = accuracies([299], descent)
    >>> found.train.round(5).tolist(), found.test.round(5).tolist()
    ([1.0], [0.47909])
    """
    each = Patterns(*(np.atleast_1d(np.asarray(one, float)) for one in patterns))
    p = np.atleast_2d(learned(steps, each.prevalence, each.speed, each.half_time))
    none = np.prod(1 - p, axis=-1)
    test = deciding(p, each.preference) @ each.reliability
    return Accuracies(1 - (1 - chance) * none, test + chance * none)


@shown_in_short
class VectorModel(NamedTuple):
    """Accuracies as a function of the free parameters in one vector, for fits.

    Attributes:
        predict: `predict(vector) -> float[2, time]`, train and test.
        start, lower, upper: float[parameter].
        names: such as "speed 0".
    """

    predict: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    names: tuple[str, ...]


def vector_model(steps: ArrayLike, patterns: Patterns, free: Sequence[str] = FREE, chance: float = 0.0) -> VectorModel:
    """Returns the model with free parameters, for `pathjax.analysis.curve_fits.fit_curves`.

    Args:
        steps: float[time].
        patterns: the parameters; those that are free are where a fit starts.
        free: names of the parameters to fit, of all patterns.
        chance: see `accuracies`.

    Raises:
        InputError: for an unknown name.

    >>> descent = Patterns((0.7, 1, 0.2), (0.15, 0.15, 0.05), (30, 50, 200), (1, 0, 1), (0, 0, 1))
    >>> model = vector_model([0, 299], descent, ["half_time"])
    >>> model.predict(model.start).shape, model.names
    ((2, 2), ('half_time 0', 'half_time 1', 'half_time 2'))
    """
    for name in free:
        require(name in LIMITS, f"free has '{name}': choose from {', '.join(LIMITS)}")
    num = len(np.atleast_1d(np.asarray(patterns.speed)))
    require(len(free) > 0, f"free is empty: choose from {', '.join(LIMITS)}")
    for name, one in patterns._asdict().items():
        count = np.shape(one)
        require(count == (num,), f"patterns.{name} has shape {count}: give one for each of the {num} patterns")
    given = [np.atleast_1d(np.asarray(getattr(patterns, name), float)) for name in free]

    def predict(vector: np.ndarray) -> np.ndarray:
        chosen = dict(zip(free, np.split(vector, len(free)), strict=True))
        return np.stack(accuracies(steps, patterns._replace(**chosen), chance))

    lower, upper = (np.repeat([LIMITS[name][side] for name in free], num) for side in (0, 1))
    names = tuple(f"{name} {i}" for name in free for i in range(num))
    return VectorModel(predict, np.concatenate(given), lower, upper, names)


# A little beyond 0 and 1, so that noise at the ends of the range does not bias a fit.
LIMITS = {
    "prevalence": (-0.2, 1.2),
    "speed": (0.0, np.inf),
    "half_time": (-np.inf, np.inf),
    "reliability": (-0.2, 1.2),
}
