"""Distances and divergences between two networks' predictions for one example, from their logits.

In these forms nearby logits do not cancel, and equal logits give exactly 0. The logit of an excluded class may be minus
infinity.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax.core.types import AnyArray


def cross_entropy(logits: Float[AnyArray, " classes"], label: Int[Array, ""] | int) -> Float[Array, ""]:
    """-log p(label), in nats.

    >>> float(cross_entropy(jnp.zeros(4), 2))
    1.3862943649291992
    """
    return -jax.nn.log_softmax(logits)[label]


def soft_cross_entropy(logits: Float[AnyArray, " classes"], truth: Float[AnyArray, " classes"]) -> Float[Array, ""]:
    """-sum_c q_c log p_c, in nats, where q is the softmax of the logits `truth`.

    >>> float(soft_cross_entropy(jnp.zeros(4), jnp.ones(4)))
    1.3862943649291992
    """
    q = jax.nn.softmax(truth)
    return -jnp.sum(_weighted(q, jax.nn.log_softmax(logits)))


def jeffreys(a: Float[AnyArray, " classes"], b: Float[AnyArray, " classes"]) -> Float[Array, ""]:
    """The symmetrized Kullback-Leibler divergence KL(p, q) + KL(q, p) = sum_c (q_c - p_c) log(q_c / p_c), in nats.

    It violates the triangle inequality.

    Source: Jeffreys 1946.

    >>> float(jeffreys(jnp.zeros(3), jnp.zeros(3)))
    0.0
    """
    log_p, log_q = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    return jnp.sum(_weighted(_change(log_p, log_q), log_q - log_p))


def jensen_shannon(a: Float[AnyArray, " classes"], b: Float[AnyArray, " classes"]) -> Float[Array, ""]:
    """The Jensen-Shannon divergence (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in nats: at most log 2.

    Its square root is a metric (Endres and Schindelin 2003).

    >>> float(jensen_shannon(jnp.array([50.0, 0.0]), jnp.array([0.0, 50.0])))
    0.6931471824645996
    """
    log_p, log_q = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    p, q, log_ratio = jnp.exp(log_p), jnp.exp(log_q), log_q - log_p
    log_m = jnp.logaddexp(log_p, log_q) - jnp.log(2.0)
    far = _weighted(p, log_p - log_m) + _weighted(q, log_q - log_m)
    # The same for nearby p and q, with d = log(q / p): (q - p) d / 2 - (p + q) log cosh(d / 2), each of order d^2.
    log_cosh = jnp.log1p(2 * jnp.sinh(jnp.clip(log_ratio, -1, 1) / 4) ** 2)
    near = _change(log_p, log_q) * log_ratio / 2 - (p + q) * log_cosh
    return jnp.maximum(0, jnp.sum(jnp.where(jnp.abs(log_ratio) < 1, near, far))) / 2


def _weighted(weight, value):
    """weight * value, and 0 where the weight is 0, whatever the value."""
    return jnp.where(weight == 0, 0, weight * value)


def _change(log_p, log_q):
    """q - p."""
    log_ratio, p = log_q - log_p, jnp.exp(log_p)
    return jnp.where(jnp.abs(log_ratio) < 1, p * jnp.expm1(jnp.clip(log_ratio, -1, 1)), jnp.exp(log_q) - p)
