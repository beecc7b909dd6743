"""Keeps Orbax from printing failed writes, which it also raises."""

import contextlib
import logging
import pathlib
import sys
from collections.abc import Iterator

import orbax.checkpoint  # noqa: F401 - which makes the logger

LOGGER = logging.getLogger("absl")  # the one that Orbax uses


@contextlib.contextmanager
def unprinted() -> Iterator[None]:
    """Keeps Orbax and tensorstore from printing why a write failed: `save` raises it.

    Orbax logs a traceback in each of its threads. Those of tensorstore call an event loop that is closed then. Some end
    after the error is raised, so after an error they stay silent.

    >>> with unprinted():
    ...     pass  # open a checkpointer, save, close it
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda raised: None if _is_closed_loop(raised.exc_value) else hook(raised)
    LOGGER.addFilter(_is_no_orbax_error)
    yield
    LOGGER.removeFilter(_is_no_orbax_error)
    sys.unraisablehook = hook


def _is_closed_loop(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and str(error) == "Event loop is closed"


def _is_no_orbax_error(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR or "orbax" not in pathlib.Path(record.pathname).parts
