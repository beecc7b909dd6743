"""Squared distances of arrays in one pass through memory.

XLA on a CPU would store the difference, and read it again to sum it up. Folded, the sum is a kernel of its own that
reads both arrays once: (a - b)^2 of a part, plus that of the next part, and so on, until a part's worth is left.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Numbers of an array that is worth it: a smaller one stays in the nearest cache in any case. And of all together: where
# they are more, members go one by one (`engine/layout.py`), and for one alone the copy of the baseline costs too much.
MIN_SIZE, MAX_TOTAL = 2**14, 3 * 2**15
# XLA copies out what a kernel would read at more than 15 places. Here that is the baseline, one entry of its path, and
# it should: the entry's place would otherwise be computed for every number, in a loop that is not vectorized.
PARTS = range(16, 33)


def squared_distances(pairs: list[tuple[Array, Array]]) -> list[Float[Array, ""]]:
    """|a - b|^2 over all axes, for each pair.

    >>> [float(squared) for squared in squared_distances([(jnp.ones((200, 100)), jnp.zeros((200, 100)))])]
    [20000.0]
    """
    is_small = sum(a.size for a, _ in pairs) <= MAX_TOTAL

    def one(a, b):
        if is_small and a.size >= MIN_SIZE and a.shape[0] >= PARTS.start:
            return jax.lax.platform_dependent(a, b, cpu=_folded, default=_at_once)
        return _at_once(a, b)

    return [one(a, b) for a, b in pairs]


def _at_once(a, b):
    return jnp.sum(_unchanged(a - b) ** 2)


def _folded(a, b):
    num = min(PARTS, key=lambda num: len(a) % num)  # as few rows as can be are left over
    ends = [i * (len(a) // num) for i in range(1, num + 1)]
    *parts, rest = zip(jnp.split(a, ends), jnp.split(b, ends), strict=True)
    total = sum((x - y) ** 2 for x, y in parts)
    left_over = _at_once(*rest) if len(rest[0]) else 0
    return jnp.sum(_unchanged(total)) + left_over


def _unchanged(x):
    """x, rounded to the precision that it has. XLA on a CPU would hand a difference with its sum to YNNPACK, and store
    what is subtracted before that (jax 0.10, 0.11); of rounded numbers YNNPACK is given the sum alone."""
    form = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x, form.nexp, form.nmant)
