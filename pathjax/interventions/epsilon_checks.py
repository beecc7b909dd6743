"""Which epsilons of an intervention mean something."""

from collections.abc import Callable

import numpy as np

from pathjax.core.errors import require


def check_finite(epsilons: np.ndarray) -> None:
    """Raise InputError unless all epsilons are finite.

    >>> check_finite(np.array([-1.0, 0.0]))
    """
    wrong = np.asarray(epsilons)[~np.isfinite(epsilons)]
    require(wrong.size == 0, f"epsilon {wrong[:1]} is not finite: give finite ones")


def between(least: float, most: float, whole: bool = False) -> Callable[[np.ndarray], None]:
    """A check that epsilons are from `least` to `most`, and whole numbers if they have to be.

    >>> between(0, 1)(np.array([0.5, 1.0]))
    """

    def check(epsilons: np.ndarray) -> None:
        epsilons = np.asarray(epsilons, float)
        wrong = epsilons[~((least <= epsilons) & (epsilons <= most) & (np.mod(epsilons, 1) == 0 if whole else True))]
        kind = "whole numbers" if whole else "numbers"
        require(
            wrong.size == 0, f"epsilon {wrong[:1].tolist()} is out of range: give {kind} from {least:g} to {most:g}"
        )

    return check
