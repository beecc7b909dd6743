"""Squared distances of arrays in one pass through memory.

XLA on a CPU would store the difference and read it again to sum it up. Folded, the sum is a separate kernel that reads
both arrays once: it adds (a - b)^2 of equal parts elementwise, and the result has the size of one part.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Elements of an array that is worth folding: a smaller one stays in cache anyway. And elements of all arrays:
# above that, members run one at a time (`engine/layout.py`), and for one member copying the baseline costs too much.
MIN_SIZE, MAX_TOTAL = 2**14, 3 * 2**15
# XLA copies out an operand that a kernel reads in more than 15 places. Here that is the baseline, an entry of its path,
# and the copy helps: otherwise the entry's offset is computed for every element, in a loop that is not vectorized.
PARTS = range(16, 33)


def squared_distances(pairs: list[tuple[Array, Array]]) -> list[Float[Array, ""]]:
    """|a - b|^2 over all axes, for each pair.

    >>> [float(squared) for squared in squared_distances([(jnp.ones((200, 100)), jnp.zeros((200, 100)))])]
    [20000.0]
    """
    is_small = sum(a.size for a, _ in pairs) <= MAX_TOTAL

    def one(a, b):
        if is_small and a.size >= MIN_SIZE and a.shape[0] >= PARTS.start:
            return jax.lax.platform_dependent(a, b, cpu=_folded, default=_unfolded)
        return _unfolded(a, b)

    return [one(a, b) for a, b in pairs]


def _unfolded(a, b):
    return jnp.sum(_no_ynnpack(a - b) ** 2)


def _folded(a, b):
    num = min(PARTS, key=lambda num: len(a) % num)  # leaves the fewest rows over
    ends = [i * (len(a) // num) for i in range(1, num + 1)]
    *parts, rest = zip(jnp.split(a, ends), jnp.split(b, ends), strict=True)
    total = sum((x - y) ** 2 for x, y in parts)
    left_over = _unfolded(*rest) if len(rest[0]) else 0
    return jnp.sum(_no_ynnpack(total)) + left_over


def _no_ynnpack(x):
    """Rounds x to its own precision, which changes nothing. Otherwise XLA on a CPU hands the difference together with
    its sum to YNNPACK, and stores the operands before that (jax 0.10, 0.11); now YNNPACK gets only the sum."""
    form = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x, form.nexp, form.nmant)
