"""Measures of a classifier on a set of examples: what is computed for each example, and how a set's number follows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pathjax.core.errors import require
from pathjax.measures.divergences import cross_entropy, jeffreys, jensen_shannon, soft_cross_entropy


class Measure(NamedTuple):
    """A number per example, from a member's logits, the label and the baseline's logits, and a function of its mean.

    `metric`: "metric" (for the outputs on the set), "pseudometric" (different outputs may have distance 0), or "" for
    neither. `labeled`: whether it depends on the label."""

    units: str
    label: str
    of_example: Callable[[Array, Array, Array], Array]
    finish: Callable[[Array], Array] = lambda mean: mean
    metric: str = ""
    labeled: bool = True


def _right(logits, label):
    return (jnp.argmax(logits) == label).astype(logits.dtype)


MEASURES = {
    "loss": Measure("nats", "mean cross-entropy", lambda z, y, z0: cross_entropy(z, y)),
    "accuracy": Measure("1", "fraction classified right", lambda z, y, z0: _right(z, y)),
    "agreement": Measure(
        "1", "fraction classified as by the baseline", lambda z, y, z0: _right(z, jnp.argmax(z0)), labeled=False
    ),
    "loss_difference": Measure(
        "nats", "mean cross-entropy, less the baseline's", lambda z, y, z0: cross_entropy(z, y) - cross_entropy(z0, y)
    ),
    "accuracy_difference": Measure(
        "1", "fraction classified right, less the baseline's", lambda z, y, z0: _right(z, y) - _right(z0, y)
    ),
    "counterfactual_loss": Measure(
        "nats",
        "cross-entropy with the baseline's choices as truth",
        lambda z, y, z0: cross_entropy(z, jnp.argmax(z0)),
        labeled=False,
    ),
    "soft_counterfactual_loss": Measure(
        "nats",
        "cross-entropy with the baseline's probabilities as truth",
        lambda z, y, z0: soft_cross_entropy(z, z0),
        labeled=False,
    ),
    "soft_counterfactual_accuracy": Measure(
        "1",
        "the baseline's probability of the member's choice",
        lambda z, y, z0: jax.nn.softmax(z0)[jnp.argmax(z)],
        labeled=False,
    ),
    "disagreement": Measure(
        "1",
        "fraction classified otherwise than by the baseline",
        lambda z, y, z0: 1 - _right(z, jnp.argmax(z0)),
        metric="pseudometric",
        labeled=False,
    ),
    "jeffreys": Measure(
        "nats", "symmetrised Kullback-Leibler divergence", lambda z, y, z0: jeffreys(z, z0), labeled=False
    ),
    "js_distance": Measure(
        "nats^0.5",
        "Jensen-Shannon distance, the mean over examples",
        lambda z, y, z0: jnp.sqrt(jensen_shannon(z, z0)),
        metric="metric",
        labeled=False,
    ),
    "logit_distance": Measure(
        "logit",
        "2-norm distance of the logits, root mean square over examples",
        lambda z, y, z0: jnp.sum((z - z0) ** 2),
        jnp.sqrt,
        "metric",
        labeled=False,
    ),
    "softmax_distance": Measure(
        "1",
        "2-norm distance of the probabilities, root mean square over examples",
        lambda z, y, z0: jnp.sum((jax.nn.softmax(z) - jax.nn.softmax(z0)) ** 2),
        jnp.sqrt,
        "metric",
        labeled=False,
    ),
}
DEFAULT = ("loss", "accuracy", "agreement")
AUC = "auc"  # no mean over examples
OF_SETS = (*MEASURES, AUC)


def area_under_curve(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Returns the area under the ROC curve: the probability that an example of class 1 has a larger logit difference
    z_1 - z_0 than one of class 0, where ties count half; NaN if a class has no example.

    For more than two classes it is the mean over classes of each class's area against all others, by its probability.

    Args:
        logits: float[n, classes].
        labels: int[n].

    Source: Hanley and McNeil 1982 (the Mann-Whitney statistic); Provost and Domingos 2000 (one class against the rest).

    >>> area_under_curve(jnp.array([[0, 1.0], [0, 2], [0, 2], [0, 3]]), jnp.array([0, 0, 1, 1])).item()
    0.875
    """
    num = logits.shape[-1]
    require(num >= 2, f"auc needs two or more classes, not {num}")
    if num == 2:
        return _area(logits[:, 1] - logits[:, 0], labels == 1)
    scores = jax.nn.log_softmax(logits)
    return jnp.mean(jax.lax.map(lambda k: _area(scores[:, k], labels == k), jnp.arange(num)))


def _area(scores: Float[Array, " n"], positive: Bool[Array, " n"]) -> Float[Array, ""]:
    # Those of the other class sort last, as infinity, and are not counted.
    others = jnp.sort(jnp.where(positive, jnp.inf, scores))
    num = jnp.sum(~positive)
    below, upto = (jnp.minimum(jnp.searchsorted(others, scores, side=side), num) for side in ("left", "right"))
    pairs = num * jnp.sum(positive)
    known = (pairs > 0) & ~jnp.isnan(scores).any()
    return jnp.sum(jnp.where(positive, (below + upto) / 2, 0)) / jnp.where(known, pairs, jnp.nan)
