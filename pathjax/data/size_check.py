"""Whether arrays fit into memory: told before they are made, as a system that runs out of it kills without a word."""

import math
import os

from pathjax.core.errors import require


def check_fits(what: str, shape: tuple[int, ...], bytes_each: int = 4) -> None:
    """Raise InputError if an array of this shape exceeds the machine's memory.

    Args:
        what: makes it so large, and should be chosen smaller.
        shape: of the array.
        bytes_each: of one number.

    >>> check_fits("image_size=8", (100, 8, 8, 1))
    """
    needed = math.prod(shape) * bytes_each
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = f"{what} would take {needed / 2**30:,.1f} GiB of memory, and {there / 2**30:,.1f} are there: choose less"
    require(needed <= there, said)
