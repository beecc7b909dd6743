"""Runs of several processes, one per host: JAX connects them, each computes its share, only process 0 writes files."""

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
    """Connects this process with the others of the run.

    Without arguments, `jax.distributed` finds the others on SLURM, GKE, Open MPI and TPU pods.

    Raises:
        InputError: if the others cannot be found. If they do not connect, JAX ends this process after five minutes.
    """
    if coordinator is not None:
        _check_address(coordinator)
        print(f"waiting for {num_processes} processes at {coordinator} for at most five minutes", file=sys.stderr)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # the only one on CPUs; GPUs and TPUs ignore it
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed found no other processes ({error}): start under SLURM, GKE or on a TPU pod, or give each "
            "process --coordinator=HOST:PORT --num_processes=N --process_id=I"
        ) from error


def _check_address(coordinator: str) -> None:
    host, _, port = coordinator.rpartition(":")
    is_address = bool(host) and port.isdigit() and 0 < int(port) < 2**16
    require(is_address, f"--coordinator={coordinator} must be HOST:PORT of process 0, such as node0:1234")
    try:
        socket.getaddrinfo(host, int(port))
    except OSError as error:
        raise InputError(f"--coordinator={coordinator}: unknown host '{host}' ({error}): check its name") from error


def is_process_zero() -> bool:
    """Returns whether this process writes files and prints."""
    return jax.process_index() == 0


def on_process_zero(fn: Callable[[], Any]) -> Any:
    """Calls `fn` in process 0 only, while the others wait, and returns its result there and None elsewhere.

    If `fn` fails, the others exit too; otherwise they would wait forever.
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
    """Ends a process that fails immediately, and JAX then ends the others; for code in which processes synchronize.

    Otherwise the failed process would wait for the others at exit, and they for it.
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
    """Returns the answer of process 0, one of `answers`, in all processes."""
    answer = on_process_zero(fn)
    if jax.process_count() == 1:
        return answer
    index = answers.index(answer) if is_process_zero() else 0
    return answers[int(multihost_utils.broadcast_one_to_all(np.array(index)))]
