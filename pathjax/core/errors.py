"""The one exception for users, and how it is raised."""

from typing import Any

import numpy as np


class InputError(ValueError):
    """Input that pathjax cannot use: what was wrong, what was expected, how to fix it.

    The message is one line. Experiments print it and exit with status 2; any other exception is a bug.

    >>> from pathjax.core.errors import InputError
    >>> issubclass(InputError, ValueError)
    True
    """


def require(condition: object, message: str) -> None:
    """Raises `InputError(message)` unless `condition` is true (a bool of Python, NumPy or JAX).

    >>> require(2 > 1, "never seen")
    """
    if not condition:
        raise InputError(message)


def require_count(name: str, value: Any, least: int | None = None) -> int:
    """Returns an integer of Python or NumPy as an int.

    Raises:
        InputError: if it is not an integer, or is less than `least`.

    >>> require_count("length", 5, 1)
    5
    """
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(is_integer, f"{name} must be an integer, not {value!r}")
    require(least is None or value >= least, f"{name} must be {least} or more, not {value}")
    return int(value)
