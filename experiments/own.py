"""Imports and calls the `module:function` that a config names; an error in it is reported in one line."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from pathjax.core.errors import InputError, require
from pathjax.io import run_folder


def is_own(name: object) -> bool:
    """Returns whether a name is `module:function`.

    >>> is_own("mine.networks:small"), is_own("mlp")
    (True, False)
    """
    return isinstance(name, str) and ":" in name


def load_own(setting: str, name: str) -> Any:
    """Imports the object that `module:function` names, from Python's search path.

    Raises:
        InputError: if the module cannot be imported or does not define the name.

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
    except (Exception, SystemExit) as error:  # the module's code may raise anything
        raise InputError(f"{setting}={name}: module '{module}' cannot be imported ({one_line(error)})") from error
    for part in attribute.split("."):
        require(hasattr(found, part), f"{setting}={name}: module '{module}' has no '{attribute}'")
        found = getattr(found, part)
    return found


def call_own(setting: str, name: str, *args: Any) -> Any:
    """Calls the function that `module:function` names, and returns its result.

    Raises:
        InputError: if the function cannot be loaded (see `load_own`), is not callable, or raises any exception.

    >>> call_own("loss", "math:sqrt", 4.0)
    2.0
    """
    function = load_own(setting, name)
    require(callable(function), f"{setting}={name} is an object of type {type(function).__name__}: expected a function")
    with blaming(setting, name):
        return function(*args)


@contextlib.contextmanager
def blaming(setting: str, name: str) -> Iterator[None]:
    """Turns any exception of a user's function into one line that names the function.

    >>> with blaming("loss", "mine:wrong"):
    ...     1 / 0
    Traceback (most recent call last):
    pathjax.core.errors.InputError: loss=mine:wrong failed (ZeroDivisionError: division by zero): fix it
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{setting}={name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{setting}={name} failed ({one_line(error)}): fix it") from error


def check_returned(setting: str, name: str, returned: Any, expected: type, what: str) -> Any:
    """Returns `returned` if it has the expected type.

    Raises:
        InputError: if it has another type.

    >>> check_returned("loss", "mine:right", 1, int, "a number")
    1
    """
    said = f"{setting}={name} returned an object of type {type(returned).__name__}: expected {what}"
    require(isinstance(returned, expected), said)
    return returned


def one_line(error: BaseException) -> str:
    """Formats the type of an error and the start of its text on one line.

    >>> one_line(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    return f"{type(error).__name__}: {run_folder.one_line(error)}"
