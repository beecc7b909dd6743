"""Which sizes of an intervention mean something."""

from collections.abc import Callable

import numpy as np

from pathjax.core.errors import require


def check_finite(sizes: np.ndarray) -> None:
    """Raise InputError for sizes that are no numbers.

    >>> check_finite(np.array([-1.0, 0.0]))
    """
    wrong = np.asarray(sizes)[~np.isfinite(sizes)]
    require(wrong.size == 0, f"a size of {wrong[:1]}: give finite ones")


def between(least: float, most: float, whole: bool = False) -> Callable[[np.ndarray], None]:
    """A check that sizes are from `least` to `most`, and whole numbers if they have to be.

    >>> between(0, 1)(np.array([0.5, 1.0]))
    """

    def check(sizes: np.ndarray) -> None:
        sizes = np.asarray(sizes, float)
        wrong = sizes[~((least <= sizes) & (sizes <= most) & (np.mod(sizes, 1) == 0 if whole else True))]
        kind = "whole numbers" if whole else "numbers"
        require(
            wrong.size == 0, f"a size of {wrong[:1].tolist()} is out of range: give {kind} from {least:g} to {most:g}"
        )

    return check
