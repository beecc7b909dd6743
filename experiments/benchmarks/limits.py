"""The machine's own limits, measured between the rounds of the programs: a step cannot be faster than its matrix
products, nor than reading and writing its weights and optimizer state once."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.experiments.benchmarks.networks import Network

REPETITIONS = 5


class Rates(NamedTuple):
    """The rate of a large matrix product, in floating-point operations per second, and of a large copy, in bytes read
    and written per second."""

    flops: float
    bytes: float


def measure_rates() -> Rates:
    """Measures the machine's current rates, because those of a shared machine vary from minute to minute.

    They are medians of several repetitions, with all threads, on arrays large enough to time on an accelerator.
    """
    width, length = (2048, 2**26) if jax.default_backend() == "cpu" else (8192, 2**31)
    a, array = jax.random.uniform(jax.random.key(0), (width, width)), jnp.zeros(length)

    def copy():
        nonlocal array
        array = _increment(array)
        return array

    return Rates(2 * width**3 / _seconds(lambda: _multiply(a, a)), 8 * length / _seconds(copy))


_multiply = jax.jit(jnp.matmul)
# In place: with a new array, the time would include page allocation by the system.
_increment = jax.jit(lambda x: x + 1, donate_argnums=0)


def least_seconds(rates: Rates, network: Network, batch: int) -> float:
    """Returns the least time of one member's step of SGD with momentum: that of its products, or of reading and writing
    weights and momentum once."""
    return max(2 * batch * network.products / rates.flops, 4 * 4 * network.numbers / rates.bytes)


def _seconds(program: Callable) -> float:
    times = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter()
        jax.block_until_ready(program())
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))
