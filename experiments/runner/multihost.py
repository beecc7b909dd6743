"""Runs of several processes, one a host: JAX connects them, each does its share, and process 0 alone writes files."""

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from pathjax.core.errors import InputError, require


def connect(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Connect this process with the others of the run.

    Without arguments `jax.distributed` finds them by itself on SLURM, GKE, Open MPI and TPU pods.

    Raises:
        InputError: if they cannot be found. A process whose others do not come is ended by JAX after five minutes.
    """
    if coordinator is not None:
        _check_address(coordinator)
        print(f"waiting for {num_processes} processes at {coordinator}, for five minutes at most", file=sys.stderr)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # CPUs have no other; GPUs and TPUs don't look
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed found no other processes ({error}): start it under SLURM, GKE or on a TPU pod, or give "
            "--coordinator=HOST:PORT --num_processes=N --process_id=I to each"
        ) from error


def _check_address(coordinator: str) -> None:
    host, _, port = coordinator.rpartition(":")
    is_address = bool(host) and port.isdigit() and 0 < int(port) < 2**16
    require(is_address, f"--coordinator={coordinator} is no HOST:PORT: give process 0's, such as node0:1234")
    try:
        socket.getaddrinfo(host, int(port))
    except OSError as error:
        raise InputError(f"--coordinator={coordinator}: no host '{host}' is known ({error}): check its name") from error


def is_process_zero() -> bool:
    """Whether this process writes files and speaks."""
    return jax.process_index() == 0


def on_process_zero(fn: Callable[[], Any]) -> Any:
    """Call `fn` in process 0 alone, while the others wait; None in the others.

    If it fails there, the others end as well: they would wait for it for ever.
    """
    if jax.process_count() == 1:
        return fn()
    result, failure = None, None
    if is_process_zero():
        try:
            result = fn()
        except Exception as error:
            failure = error
    failed = bool(multihost_utils.broadcast_one_to_all(np.array(failure is not None)))
    if failure is not None:
        raise failure
    if failed:
        raise SystemExit(2)
    return result


@contextlib.contextmanager
def abort_all_on_error() -> Iterator[None]:
    """Work in which processes wait for one another: one that fails ends at once, and JAX then ends the others.

    Else it would wait for them, at its end, and they for it.
    """
    try:
        yield
    except Exception as error:
        if jax.process_count() == 1:
            raise
        text = f"error: {' '.join(str(error).split())}" if isinstance(error, InputError) else traceback.format_exc()
        print(text, file=sys.stderr, flush=True)
        os._exit(2)


def broadcast(fn: Callable[[], str], answers: tuple[str, ...]) -> str:
    """The answer of process 0, one of `answers`, in all processes."""
    answer = on_process_zero(fn)
    if jax.process_count() == 1:
        return answer
    index = answers.index(answer) if is_process_zero() else 0
    return answers[int(multihost_utils.broadcast_one_to_all(np.array(index)))]
