"""Which law of growth do the data show, which others can they not exclude, and when do they show none?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pathjax.analysis.curve_noise import FLOOR
from pathjax.analysis.growth_laws import LAWS, TINY, Law, contains, from_zero, with_tangent
from pathjax.analysis.law_fits import Curves, LawFit, curves_of, fit_law, fit_laws, part_of
from pathjax.analysis.multiple_tests import holm
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.05  # of the test that a parameter more is needed
MARGIN = 0.2  # of the penalty: a law whose score is so near to the best one's is not excluded
LARGER = 0.4  # of the penalty: a law of another family that fits so much better per parameter more is not excluded
BETTER = 0.01  # level of the tests that another law predicts better
MIN_GROWTH = 1.5  # below it, most laws are within two percent of one another, and the noise decides
REFUSED = 0.05  # level of the test that no law fits
NUM_HELD_OUT = 5  # laws, the best ones, for which predictions are made
CANNOT_TELL, NONE = "cannot tell", "none of these laws"


@shown_in_short
class Selection(NamedTuple):
    """What the data say about the law of growth.

    Attributes:
        law: the name of the law, or CANNOT_TELL, or NONE.
        best: the name of the law with the lowest score, whether or not it is decided.
        equivalent: larger laws that contain it, from which the data cannot distinguish it.
        rivals: other laws that the data do not exclude; without any, the law is decided.
        fits: the fit of each law, by name, best first.
        score: the deviance plus a penalty per parameter, by name.
        p_value: of the best law's deviance; small: none fits.
        held_out: root mean square error of log d in the later half of held-out units, from fits to the earlier half of
            the others; for the five laws with the lowest score (`held_out_squares`).
        curves: what the laws were fitted to.
    """

    law: str
    best: str
    equivalent: tuple[str, ...]
    rivals: tuple[str, ...]
    fits: dict[str, LawFit]
    score: dict[str, float]
    p_value: float
    held_out: dict[str, float]
    curves: Curves


def select_law(
    steps: ArrayLike, distance: ArrayLike, *, laws: dict[str, Law] | None = None, tangent: ArrayLike | None = None
) -> Selection:
    """Selects the simplest law that the growth of a distance is compatible with, if the data show one.

    Each law is fitted to the mean over units of log d by generalized least squares (`fit_law`). Its score is the
    deviance r' V^-1 r plus, for each parameter, the 95% quantile of F(1, U - 1), because V is estimated from U units
    (5.6 for 8; that of BIC is log U). The law with the lowest score is the answer if

    - the deviance of the mean is one that its covariance explains; if no law fits, the answer is "none of these laws";
    - the data exclude all laws of other families, which neither contain it nor are special cases. A law with as many
      parameters or fewer is excluded if its score is higher by a fifth of a penalty or more, where the tangent counts
      as one parameter; a larger one, if it does not fit better by 0.4 penalties for each parameter more; and none may
      predict the later half of held-out units significantly better (t-tests over units, Holm, 0.01);
    - growth is by a factor of 1.5 or more, or the tangent alone, which has no parameter, is the answer.

    Otherwise the answer is "cannot tell".

    Args:
        steps: float[time], of the records; the first is the start.
        distance: float[unit, direction, time]: a unit is an initialization with a batch schedule of its own.
        laws: to choose from, by name; None: all of `pathjax.analysis.growth_laws.LAWS`. If distances begin at 0,
            those that need a start above 0 are left out (`from_zero`).
        tangent: float[time], the norm of the tangent at these steps; with it, the tangent's growth alone and beside
            each law are laws, too (`with_tangent`). It is taken as exact. If it is a mean over the same units, its own
            error is part of the differences between units.

    Returns:
        Selection.

    Raises:
        InputError: see `curves_of`; if no law is left; or for a tangent beside distances that begin at 0.

    >>> rng, steps = np.random.default_rng(0), np.arange(0, 1001, 20)
    >>> curves = (1 + 0.003 * steps) * np.exp(0.02 * rng.normal(size=(8, 1, 1)) * np.ones((8, 4, 1)))
    >>> select_law(steps, curves).law
    'linear'
    """
    curves = curves_of(steps, distance)
    chosen = _candidates(curves, steps, LAWS if laws is None else laws, tangent)
    fits = fit_laws(curves, list(chosen.values()))
    penalty = float(stats.f.ppf(1 - LEVEL, 1, len(curves.logs) - 1))
    score = {name: fit.deviance + penalty * len(fit.scaled) for name, fit in fits.items()}
    order = sorted(score, key=score.__getitem__)
    near = [name for name in order if score[name] < score[order[0]] + MARGIN * penalty]
    best = next((name for name in reversed(near) if contains(chosen, order[0], name)), order[0])
    squares = held_out_squares(curves, [chosen[name] for name in dict.fromkeys([best, *order[:NUM_HELD_OUT]])])
    equivalent = tuple(name for name in order if contains(chosen, name, best))
    others = [name for name in order if name not in (best, *equivalent) and not contains(chosen, best, name)]
    better = _predict_better(squares, best, others)
    rivals = tuple(name for name in others if name in better or _fits_as_well(fits[name], fits[best], penalty))
    p_value = goodness_of_fit(curves, fits[best])
    grown = abs(np.log(curves.growth)) >= np.log(MIN_GROWTH) or len(fits[best].scaled) == 0
    law = NONE if p_value < REFUSED else best if grown and not rivals else CANNOT_TELL
    held_out = {name: float(np.sqrt(np.mean(each))) for name, each in squares.items()}
    return Selection(
        law, best, equivalent, rivals, {name: fits[name] for name in order}, score, p_value, held_out, curves
    )


def _candidates(curves: Curves, steps: ArrayLike, laws: dict[str, Law], tangent: ArrayLike | None) -> dict[str, Law]:
    """Returns the laws that these distances can follow, by themselves and beside the tangent."""
    chosen = laws if curves.d0 > 0 else from_zero(laws)
    require(len(chosen) > 0, "no law is left to choose from: distances that begin at 0 do not grow by a factor")
    if tangent is None:
        return chosen
    require(curves.d0 > 0, "tangents say nothing about distances that begin at 0: leave out the tangent")
    times = np.asarray(steps, float)
    return with_tangent((times - times[0]) / curves.duration, tangent, chosen)


def _fits_as_well(other: LawFit, best: LawFit, penalty: float) -> bool:
    """Whether the data do not exclude a law of another family."""
    # The tangent was measured, so that it has no parameter; but that does not make it more likely than a simple law.
    more = max(len(other.scaled), 1) - max(len(best.scaled), 1)
    if more > 0:
        return best.deviance - other.deviance > LARGER * more * penalty
    return other.deviance + more * penalty < best.deviance + MARGIN * penalty


def _predict_better(squares: dict[str, np.ndarray], best: str, others: Sequence[str]) -> list[str]:
    """Returns the laws that predict held-out units significantly better than the best one."""
    tried = [name for name in others if name in squares]
    if not tried:
        return []
    logs = {name: np.log(np.maximum(squares[name], TINY)) for name in (best, *tried)}
    p = [stats.ttest_rel(logs[name], logs[best], alternative="less").pvalue for name in tried]
    return [name for name, adjusted in zip(tried, holm(p), strict=True) if adjusted < BETTER]


def law_of(trajectory: "xr.Dataset", epsilon: float, start: int = 0) -> Selection:
    """Selects the law of the members at one epsilon, from a step on; see `select_law`.

    Args:
        trajectory: with `distance` (step, init, member), members' `epsilon`, and, for laws beside the tangent,
            `mean_tangent` (step,).
        epsilon: of the members.
        start: step of the record that counts as the start.

    Returns:
        Selection.

    >>> import xarray as xr
    >>> d = (1 + np.arange(0, 100, 5)) * np.array([[0.99], [1.0], [1.01], [1.0]])
    >>> coords = {"step": np.arange(0, 100, 5), "epsilon": ("member", [0.1])}
    >>> law_of(xr.Dataset({"distance": (("init", "step", "member"), d[..., None])}, coords), 0.1).law
    'linear'
    """
    rest = trajectory.sel(step=trajectory.step >= start)
    tangent = rest.mean_tangent.values if "mean_tangent" in rest else None
    return select_law(rest.step.values, distances_of(rest, epsilon), tangent=tangent)


def distances_of(trajectory: "xr.Dataset", epsilon: float) -> np.ndarray:
    """Returns the distances of the members at one epsilon, float[init, member, step], as `select_law` takes them.

    >>> import xarray as xr
    >>> coords = {"epsilon": ("member", [0.1])}
    >>> distances_of(xr.Dataset({"distance": (("step", "init", "member"), np.ones((9, 4, 1)))}, coords), 0.1).shape
    (4, 1, 9)
    """
    own = trajectory.distance.isel(member=trajectory.epsilon.values == epsilon)
    return own.transpose("init", "member", "step").values.astype(float)


def goodness_of_fit(curves: Curves, fit: LawFit) -> float:
    """Returns the probability of residuals at least as large, if the law holds.

    It is the smaller of two p-values, both conservative: that of the deviance per degree of freedom by F, which takes
    the estimated covariance for granted; and that of Student's t-tests of the residuals at 8 times, by Holm, which
    needs no covariance.

    Args:
        curves: of `curves_of`.
        fit: of a law to them.

    Returns:
        The p-value.

    >>> curves = curves_of(np.arange(20), 1 + np.arange(20) * np.array([[1.0], [1.1], [0.9], [1.0]]))
    >>> fits = fit_laws(curves, [LAWS["linear"]])
    >>> goodness_of_fit(curves, fits["linear"]) > 0.5
    True
    """
    num, freedom = len(curves.logs), len(curves.t) - len(fit.scaled)
    jointly = float(stats.f.sf(fit.deviance / freedom, freedom, 7 * (num - 1)))
    rows = np.unique(np.linspace(0, len(curves.t) - 1, 8).astype(int))
    residuals = curves.logs[:, rows] - np.log(np.maximum(fit.law.distance(curves.t[rows], curves.d0, fit.scaled), TINY))
    error = np.sqrt(residuals.var(axis=0, ddof=1) / num + FLOOR**2)
    singly = holm(2 * stats.t.sf(np.abs(residuals.mean(0)) / error, num - 1)).min()
    return min(jointly, float(singly))


def held_out_squares(curves: Curves, laws: Sequence[Law]) -> dict[str, np.ndarray]:
    """Returns, for each law, how far off it predicts later times of units that it has not seen.

    For each unit in turn, the law is fitted to the earlier half of the time of the others; the error is the mean square
    of log d of this unit in the later half. It includes how much units differ, which no law can predict.

    Args:
        curves: of `curves_of`.
        laws: to compare.

    Returns:
        By name, float[unit], in units of (log d)^2: the root of 0.01 is 10%.

    >>> curves = curves_of(np.arange(20), 1 + np.arange(20) * np.array([[1.0], [1.1], [0.9], [1.0]]))
    >>> found = held_out_squares(curves, [LAWS["linear"], LAWS["diffusion"]])
    >>> bool((found["linear"] < found["diffusion"]).all())
    True
    """
    early = curves.t <= 0.5
    squares: dict[str, list] = {law.name: [] for law in laws}
    for unit in range(len(curves.logs)):
        others = np.delete(np.arange(len(curves.logs)), unit)
        for law in laws:
            fit = fit_law(part_of(curves, others, early), law)
            with np.errstate(over="ignore"):
                found = np.log(np.maximum(law.distance(curves.t[~early], curves.d0, fit.scaled), TINY))
            squares[law.name].append(np.mean((curves.logs[unit, ~early] - found) ** 2))
    return {name: np.array(each) for name, each in squares.items()}
