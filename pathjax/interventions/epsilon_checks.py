"""Checks of the epsilons of an intervention."""

from collections.abc import Callable

import numpy as np

from pathjax.core.errors import require


def check_finite(epsilons: np.ndarray) -> None:
    """Raises InputError unless all epsilons are finite.

    >>> check_finite(np.array([-1.0, 0.0]))
    """
    wrong = np.asarray(epsilons)[~np.isfinite(epsilons)]
    require(wrong.size == 0, f"epsilon must be finite, not {wrong[:1]}")


def between(least: float, most: float, integer: bool = False) -> Callable[[np.ndarray], None]:
    """Returns a check that epsilons are between `least` and `most`, and integers if `integer`.

    >>> between(0, 1)(np.array([0.5, 1.0]))
    """

    def check(epsilons: np.ndarray) -> None:
        epsilons = np.asarray(epsilons, float)
        wrong = epsilons[~((least <= epsilons) & (epsilons <= most) & (np.mod(epsilons, 1) == 0 if integer else True))]
        kind = "an integer" if integer else "a number"
        require(wrong.size == 0, f"epsilon must be {kind} from {least:g} to {most:g}, not {wrong[:1].tolist()}")

    return check
