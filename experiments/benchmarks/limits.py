"""What the machine itself allows, measured between the rounds of the programs: a step cannot be faster than its
products, nor than its weights and optimizer state can be read and written once."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.experiments.benchmarks.networks import Network

REPETITIONS = 5


class Rates(NamedTuple):
    """Of a large matrix product, in floating-point operations a second, and of a large copy, in bytes a second read and
    written."""

    flops: float
    bytes: float


def measure_rates() -> Rates:
    """The machine's at the moment: a shared one differs from minute to minute. Medians of some repetitions, with all
    threads, on sizes that take an accelerator long enough to be timed."""
    width, length = (2048, 2**26) if jax.default_backend() == "cpu" else (8192, 2**31)
    a, array = jax.random.uniform(jax.random.key(0), (width, width)), jnp.zeros(length)

    def copy():
        nonlocal array
        array = _increment(array)
        return array

    return Rates(2 * width**3 / _seconds(lambda: _multiply(a, a)), 8 * length / _seconds(copy))


_multiply = jax.jit(jnp.matmul)
# In place: a fresh array would count the system's work of finding pages.
_increment = jax.jit(lambda x: x + 1, donate_argnums=0)


def least_seconds(rates: Rates, network: Network, batch: int) -> float:
    """The least time of one member's step of SGD with momentum: that of its products, or of weights and momentum, each
    read and written once."""
    return max(2 * batch * network.products / rates.flops, 4 * 4 * network.numbers / rates.bytes)


def _seconds(program: Callable) -> float:
    times = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter()
        jax.block_until_ready(program())
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))
