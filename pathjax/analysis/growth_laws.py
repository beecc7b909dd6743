"""Laws for the growth of a distance with time, and which law is a special case of which."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

TINY = 1e-12  # relative to the distances; below it a law has collapsed, and its logarithm is taken here


@shown_in_short
class Law(NamedTuple):
    """A law d(t) with d(0) = d0, where t is time, and p are its parameters.

    Attributes:
        name: of the law.
        formula: d(t), as text.
        parameters: their names.
        distance: (t, d0, p) -> d(t), float arrays (..., time).
        lower: the least value of each parameter; those at 0 are limits at which the law becomes a simpler one.
        starts: values from which a fit begins, for t from 0 to 1 and d of the order of 1.
        in_units: (p, time, size) -> p of the same curve, if the units of time and distance become `time` and `size`.
        special_cases: names of laws that it contains.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    distance: Callable
    lower: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]
    in_units: Callable
    special_cases: tuple[str, ...] = ()

    def described(self) -> str:
        """Names the law, with its formula.

        >>> LAWS["linear"].described()
        'linear: d0 + slope t'
        """
        return f"{self.name}: {self.formula}"


def _relaxed(x, curvature):
    """(1 - exp(-curvature x)) / curvature, which is x at curvature 0."""
    z = np.clip(curvature * x, -50, 700)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = -np.expm1(-z) / z
    return x * np.where(np.abs(z) < 1e-8, 1 - z / 2, exact)


def _on_sphere(x, d0, curvature):
    """The distance in a sphere of radius R, with curvature 1 / (2 R^2), after diffusing for x = <d^2> of the plane."""
    decay = np.exp(-np.clip(curvature * x, -50, 700))
    return np.sqrt(np.maximum(d0**2 * decay + _relaxed(x, curvature), 0))


def _exponential(t, d0, p):
    return d0 * np.exp(np.clip(p[0] * t, -50, 50))


def _logistic(t, d0, p):
    grown = np.exp(np.clip(p[0] * t, -50, 50))
    return d0 * grown / (1 + p[1] * d0 * (grown - 1))


def _kinks(t, d0, p):
    return _exponential(t, d0, p) + p[1] * _relaxed(t, -p[0])


ANY, POSITIVE = -np.inf, 0.0
LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            "exponential",
            "d0 exp(rate t)",
            ("rate",),
            _exponential,
            (ANY,),
            ((0.1,), (1.0,), (4.0,)),
            lambda p, time, size: (p[0] / time,),
        ),
        Law(
            "linear",
            "d0 + slope t",
            ("slope",),
            lambda t, d0, p: d0 + p[0] * t,
            (ANY,),
            ((0.5,),),
            lambda p, time, size: (p[0] * size / time,),
        ),
        Law(
            "square root",
            "d0 + a sqrt(t)",
            ("a",),
            lambda t, d0, p: d0 + p[0] * np.sqrt(t),
            (ANY,),
            ((0.5,),),
            lambda p, time, size: (p[0] * size / np.sqrt(time),),
        ),
        Law(
            "diffusion",
            "sqrt(d0^2 + a t)",
            ("a",),
            lambda t, d0, p: np.sqrt(np.maximum(d0**2 + p[0] * t, 0)),
            (ANY,),
            ((0.5,),),
            lambda p, time, size: (p[0] * size**2 / time,),
        ),
        Law(
            "power",
            "d0 + a t^exponent",
            ("a", "exponent"),
            lambda t, d0, p: d0 + p[0] * t ** p[1],
            (ANY, 0.02),
            ((0.5, 0.5), (0.5, 1.0), (0.5, 2.0)),
            lambda p, time, size: (p[0] * size / time ** p[1], p[1]),
            ("linear", "square root"),
        ),
        Law(
            "saturating",
            "d0 + (slope / rate) (1 - exp(-rate t))",
            ("slope", "rate"),
            lambda t, d0, p: d0 + p[0] * _relaxed(t, p[1]),
            (ANY, POSITIVE),
            ((0.5, 0.3), (2.0, 2.0), (8.0, 10.0)),
            lambda p, time, size: (p[0] * size / time, p[1] / time),
            ("linear",),
        ),
        Law(
            "logistic",
            "d0 exp(rate t) / (1 + d0 (exp(rate t) - 1) / limit)",
            ("rate", "1/limit"),
            _logistic,
            (POSITIVE, POSITIVE),
            ((1.0, 0.3), (3.0, 0.8), (10.0, 1.0)),
            lambda p, time, size: (p[0] / time, p[1] / size),
            ("exponential",),
        ),
        Law(
            "quadratic",
            "sqrt(d0^2 + a t + b t^2)",
            ("a", "b"),
            lambda t, d0, p: np.sqrt(d0**2 + p[0] * t + p[1] * t**2),
            (POSITIVE, POSITIVE),
            ((0.5, 0.5), (0.1, 1.0), (1.0, 0.1)),
            lambda p, time, size: (p[0] * size**2 / time, p[1] * (size / time) ** 2),
            ("diffusion", "linear"),
        ),
        Law(
            "Brownian motion on a sphere",
            "sqrt(2 R^2 - (2 R^2 - d0^2) exp(-a t / 2 R^2))",
            ("a", "1/2R^2"),
            lambda t, d0, p: _on_sphere(p[0] * t, d0, p[1]),
            (POSITIVE, POSITIVE),
            ((1.0, 0.3), (4.0, 1.0), (20.0, 1.0)),
            lambda p, time, size: (p[0] * size**2 / time, p[1] / size**2),
            ("diffusion",),
        ),
        Law(
            "kink crossings",
            "d0 exp(rate t) + (jumps / rate) (exp(rate t) - 1)",
            ("rate", "jumps"),
            _kinks,
            (ANY, POSITIVE),
            ((0.3, 0.5), (1.0, 0.3), (-1.0, 2.0)),
            lambda p, time, size: (p[0] / time, p[1] * size / time),
            ("exponential", "linear", "saturating"),
        ),
        Law(
            "kink crossings on a sphere",
            "sqrt(2 R^2 - (2 R^2 - d0^2) exp(-(a t + b t^2) / 2 R^2))",
            ("a", "b", "1/2R^2"),
            lambda t, d0, p: _on_sphere(p[0] * t + p[1] * t**2, d0, p[2]),
            (POSITIVE, POSITIVE, POSITIVE),
            ((0.5, 0.5, 0.1), (1.0, 3.0, 1.0), (0.1, 10.0, 1.0)),
            lambda p, time, size: (p[0] * size**2 / time, p[1] * (size / time) ** 2, p[2] / size**2),
            ("quadratic", "Brownian motion on a sphere"),
        ),
    )
}


def contains(laws: dict[str, Law], larger: str, smaller: str) -> bool:
    """Whether a law has another as a special case, directly or through a third.

    >>> contains(LAWS, "kink crossings on a sphere", "linear"), contains(LAWS, "linear", "power")
    (True, False)
    """
    direct = laws[larger].special_cases
    return smaller in direct or any(contains(laws, between, smaller) for between in direct if between in laws)


def from_zero(laws: dict[str, Law]) -> dict[str, Law]:
    """Returns laws for distances that begin at 0, without those that stay there, or repeat another.

    Exponential and logistic growth of nothing is nothing, and d0 + a sqrt(t) is diffusion, sqrt(d0^2 + a t), which the
    power law then contains.

    >>> sorted(set(LAWS) - set(from_zero(LAWS)))
    ['exponential', 'logistic', 'square root']
    """
    found = {name: law for name, law in laws.items() if name not in ("exponential", "logistic", "square root")}
    if "power" in found:
        found["power"] = found["power"]._replace(special_cases=("linear", "diffusion"))
    return found


def with_tangent(steps: ArrayLike, tangent: ArrayLike, laws: dict[str, Law] | None = None) -> dict[str, Law]:
    """Returns laws beside which the separation also grows as the tangent does: d(t) = d0 g(t) + law(t) - d0.

    Kink crossings add a displacement to a separation that linear response moves on; `g` is the growth that linear
    response alone predicts.

    Args:
        steps: float[time], the times of the records.
        tangent: float[time], the norm of the tangent at these times, as `tangent_norm` records it: the geometric
            mean over units and directions.
        laws: to combine with the tangent; None: all.

    Returns:
        The laws by name: those given, "tangent" alone, and "tangent + NAME" for each. Between the steps the tangent is
        interpolated.

    Raises:
        InputError: if the tangent is not positive, or steps do not increase.

    >>> found = with_tangent([0, 10], [1.0, 2.0], {"linear": LAWS["linear"]})
    >>> found["tangent + linear"].distance(np.array([5.0, 10.0]), 1.0, (0.1,)).tolist()
    [2.0, 3.0]
    """
    given = LAWS if laws is None else laws
    times, growth = np.asarray(steps, float), np.asarray(tangent, float)
    require(bool((np.diff(times) > 0).all()), "the steps of the tangent must increase")
    require(bool((growth > 0).all()) and growth.shape == times.shape, "the tangent must be positive at each step")
    times = times - times[0]
    growth = growth / growth[0]
    found = dict(given)
    found["tangent"] = Law("tangent", "d0 g(t)", (), _along(times, growth), (), ((),), lambda p, time, size: ())
    for law in given.values():
        found[f"tangent + {law.name}"] = law._replace(
            name=f"tangent + {law.name}",
            formula=f"d0 (g(t) - 1) + {law.formula}",
            distance=_along(times, growth, law),
            special_cases=("tangent", *(f"tangent + {name}" for name in law.special_cases)),
        )
    return found


def _along(times: np.ndarray, growth: np.ndarray, law: Law | None = None) -> Callable:
    """Returns the distance of the tangent, and of a law beside it. Times are those of the records."""

    def distance(t, d0, p):
        own = d0 if law is None else law.distance(t, d0, p)
        return own + d0 * (np.interp(t, times, growth) - 1)

    return distance


def predict(law: Law, t: ArrayLike, d0: ArrayLike, parameters: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the law's distance at times t.

    Args:
        law: of LAWS, or your own.
        t: float[time], 0 or later.
        d0: the distance at t = 0.
        parameters: in the order of `law.parameters`.

    Returns:
        float[time].

    >>> predict(LAWS["diffusion"], [0, 1, 4], 1.0, [2.0]).tolist()
    [1.0, 1.7320508075688772, 3.0]
    """
    return np.asarray(law.distance(np.asarray(t, float), np.asarray(d0, float), tuple(np.asarray(parameters, float))))
