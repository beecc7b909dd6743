"""The one exception for users."""


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
