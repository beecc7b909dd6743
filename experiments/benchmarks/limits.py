"""What the machine itself allows, measured in the same run: a step cannot be faster than its products, nor than its
weights and optimizer state can be read and written once."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.networks import Network

REPETITIONS = 5


class Machine(NamedTuple):
    """Rates of a large matrix product, in floating-point operations a second, and of a large copy, in bytes a second
    read and written."""

    flops: float
    bytes: float


def machine_clock() -> Callable[[], Machine]:
    """What measures the machine as it is at the moment: a shared one differs from minute to minute. Medians of some
    repetitions, with all threads, on sizes that take an accelerator long enough to be timed."""
    width, length = (2048, 2**26) if jax.default_backend() == "cpu" else (8192, 2**31)
    a = jax.random.uniform(jax.random.key(0), (width, width))
    multiply = jax.jit(jnp.matmul)
    # In place: a fresh array would count the system's work of finding pages.
    increment, array = jax.jit(lambda x: x + 1, donate_argnums=0), jnp.zeros(length)

    def copy():
        nonlocal array
        array = increment(array)
        return array

    return lambda: Machine(2 * width**3 / _seconds(lambda: multiply(a, a)), 8 * length / _seconds(copy))


def least_seconds(machine: Machine, network: Network, batch: int) -> float:
    """The least time of one member's step of SGD with momentum: that of its products, or of weights and momentum, each
    read and written once."""
    return max(2 * batch * network.products / machine.flops, 4 * 4 * network.numbers / machine.bytes)


def _seconds(program: Callable) -> float:
    times = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter()
        jax.block_until_ready(program())
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))
