"""Handles SIGTERM, which schedulers send before preemption: the run finishes its chunk, saves, and exits with 0."""

import contextlib
import signal

import jax
import numpy as np
from jax.experimental import multihost_utils


class Preempted(Exception):  # noqa: N818 - not an error: the run was asked to end
    """The run was asked to end and has saved its state; `args[0]` is the step."""


@contextlib.contextmanager
def noticed():
    """Yields a function that returns whether any process of the run has received SIGTERM."""
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))

    def notice() -> bool:
        if jax.process_count() == 1:
            return bool(asked)
        # All processes must stop after the same chunk, or they would wait for one another forever.
        return bool(np.any(multihost_utils.process_allgather(np.array(bool(asked)))))

    try:
        yield notice
    finally:
        signal.signal(signal.SIGTERM, before)
