"""What a config names of one's own: `module:function`, imported and called, with mistakes as one line."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from pathjax.core.errors import InputError, require


def is_own(name: object) -> bool:
    """Whether a name is `module:function`.

    >>> is_own("mine.networks:small"), is_own("mlp")
    (True, False)
    """
    return isinstance(name, str) and ":" in name


def load_own(setting: str, name: str) -> Any:
    """What `module:function` is; the current folder is searched as Python does.

    Raises:
        InputError: for a module that cannot be imported, or has no such name.

    >>> load_own("loss", "math:sqrt")(4.0)
    2.0
    """
    module, _, attribute = name.partition(":")
    require(
        all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))),
        f"{setting}={name} is not a name: expected module:function, as in mine.networks:small",
    )
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever its code raises
        raise InputError(f"{setting}={name}: module '{module}' cannot be imported ({one_line(error)})") from error
    for part in attribute.split("."):
        require(hasattr(found, part), f"{setting}={name}: module '{module}' has no '{attribute}'")
        found = getattr(found, part)
    return found


def call_own(setting: str, name: str, *args: Any) -> Any:
    """What the function `module:function` returns.

    Raises:
        InputError: as of `load_own`, for what is no function, and for whatever it raises.

    >>> call_own("loss", "math:sqrt", 4.0)
    2.0
    """
    function = load_own(setting, name)
    require(callable(function), f"{setting}={name} is a {type(function).__name__}: expected a function")
    with blaming(setting, name):
        return function(*args)


@contextlib.contextmanager
def blaming(setting: str, name: str) -> Iterator[None]:
    """Whatever is raised in one's own function, as one line that names it.

    >>> with blaming("loss", "mine:wrong"):
    ...     1 / 0
    Traceback (most recent call last):
    pathjax.core.errors.InputError: loss=mine:wrong failed (ZeroDivisionError: division by zero): mend it
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{setting}={name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{setting}={name} failed ({one_line(error)}): mend it") from error


def check_returned(setting: str, name: str, returned: Any, expected: type, what: str) -> Any:
    """What was returned, if it is of the expected type.

    Raises:
        InputError: if it is not.

    >>> check_returned("loss", "mine:right", 1, int, "a number")
    1
    """
    said = f"{setting}={name} returned a {type(returned).__name__}: expected {what}"
    require(isinstance(returned, expected), said)
    return returned


def one_line(error: BaseException) -> str:
    """The type and the first words of an error.

    >>> one_line(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
