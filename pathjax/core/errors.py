"""The one exception that speaks to users."""


class InputError(ValueError):
    """Input that pathjax cannot use: what was wrong, what was expected, how to mend it.

    The message is one line. Experiments print it and exit with status 2; anything else that is raised is a bug.

    >>> from pathjax.core.errors import InputError
    >>> issubclass(InputError, ValueError)
    True
    """


def require(condition: bool, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds.

    >>> require(2 > 1, "never seen")
    """
    if not condition:
        raise InputError(message)
