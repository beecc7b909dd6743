"""Checks that arrays fit into memory before they are created: out of memory, the system kills without a message."""

import math
import os

from pathjax.core.errors import require


def check_fits(what: str, shape: tuple[int, ...], bytes_each: int = 4) -> None:
    """Raises InputError if an array of this shape exceeds the machine's memory.

    Args:
        what: the setting that determines the size, for the error message.
        shape: shape of the array.
        bytes_each: bytes of one element.

    >>> check_fits("image_size=8", (100, 8, 8, 1))
    """
    needed = math.prod(shape) * bytes_each
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    message = f"{what} needs {needed / 2**30:,.1f} GiB of memory, but there are {memory / 2**30:,.1f}: choose less"
    require(needed <= memory, message)
