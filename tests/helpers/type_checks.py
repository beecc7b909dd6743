"""While tests run, jaxtyping and beartype check the arguments and results of every public function of pathjax."""

import contextlib
import functools
from collections.abc import Callable, Iterator

import beartype
import jaxtyping
import numpy as np

# Numbers of NumPy count as Python's, and as for mypy, an int is a float and a float is complex.
_REAL = float | int | np.floating | np.integer
_NUMBERS = {int: int | np.integer, float: _REAL, complex: complex | _REAL, bool: bool | np.bool_}
# Called ten thousand times in a minute of tests: checking them would take longer than all others.
_OFTEN = ("inner_programs", "by_value", "is_float", "require")
checked = beartype.beartype(conf=beartype.BeartypeConf(hint_overrides=beartype.BeartypeHintOverrides(_NUMBERS)))


def install() -> None:
    """Installs jaxtyping's import hook for all modules of pathjax that are imported from now on.

    Private functions are left as they are: some are called a million times. So are functions defined within functions:
    `core.function_equality` compares functions by their code and by the variables that they read, which a decorator
    changes.
    """
    jaxtyped = jaxtyping.jaxtyped

    def check_outermost(**options) -> Callable:
        decorate = jaxtyped(**options)
        return lambda fn: _unless_rejected(fn, decorate(fn)) if _is_public(fn) else fn

    jaxtyping.jaxtyped = check_outermost
    jaxtyping.install_import_hook("pathjax", "helpers.type_checks.checked")


def _is_public(fn: Callable) -> bool:
    is_private = any(part.startswith(("_", "<")) for part in fn.__qualname__.split("."))
    return not is_private and fn.__qualname__ not in _OFTEN


def _unless_rejected(fn: Callable, checked_fn: Callable) -> Callable:
    """Returns the checked function, except that an argument of a wrong type may raise the function's own InputError."""
    if isinstance(fn, type):
        return checked_fn

    @functools.wraps(fn)
    def call(*args, **kwargs):
        try:
            return checked_fn(*args, **kwargs)
        except jaxtyping.TypeCheckError as wrong_type:
            _raise_input_error(fn, args, kwargs)
            raise wrong_type

    return call


def _raise_input_error(fn: Callable, args: tuple, kwargs: dict) -> None:
    from pathjax.core.errors import InputError  # not before the hook is installed

    with _unchecked():
        try:
            fn(*args, **kwargs)
        except InputError:
            raise
        except Exception:
            return  # the wrong type is what there is to say


@contextlib.contextmanager
def _unchecked() -> Iterator[None]:
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
