"""SIGTERM, which schedulers send before they take a machine away: finish the chunk, save, and end well."""

import contextlib
import signal

import jax
import numpy as np
from jax.experimental import multihost_utils


class Preempted(Exception):  # noqa: N818 - no error: what was asked for
    """The run was asked to end, and its state is saved; `args[0]` is the step."""


@contextlib.contextmanager
def noticed():
    """Yields a function that tells whether any process of the run has been asked to end."""
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))

    def notice() -> bool:
        if jax.process_count() == 1:
            return bool(asked)
        # All must leave at the same chunk, or they would wait for one another for ever.
        return bool(np.any(multihost_utils.process_allgather(np.array(bool(asked)))))

    try:
        yield notice
    finally:
        signal.signal(signal.SIGTERM, before)
