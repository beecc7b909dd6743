"""Ways of training, with the sharpness up to which each is stable on a quadratic, and the rates to sweep."""

from collections.abc import Callable
from typing import NamedTuple

import optax

from pathjax.core.types import PyTree, State
from pathjax.curvature import adam_preconditioner

MOMENTUM, B1 = 0.9, 0.9
EPS_ROOT = 1e-12  # without it, tangents of Adam are NaN where a gradient is 0, as for pixels that are always dark
RATES = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5)


class Kind(NamedTuple):
    """A way of training.

    Attributes:
        optimizer: from a learning rate.
        threshold: rate times sharpness beyond which a quadratic diverges; None: there is none, as for batches.
        rates: the learning rates.
        batch_size: examples of a step; None: all.
        preconditioner: the metric in which sharpness is measured; None: the weights' own.
        weight_decay: the strength of half the sum of squared weights, which is part of the loss.
        longer: factor of the number of steps.
    """

    optimizer: Callable
    threshold: float
    rates: tuple[float, ...] = RATES
    batch_size: int | None = None
    preconditioner: Callable[[State], PyTree] | None = None
    weight_decay: float = 0.0
    longer: int = 1


KINDS = {
    "gradient descent": Kind(optax.sgd, 2.0),
    "momentum 0.9": Kind(
        lambda rate: optax.sgd(rate, MOMENTUM),
        2 * (1 + MOMENTUM),
        (0.03, 0.06, 0.1, 0.13, 0.16, 0.19, 0.22, 0.25, 0.3, 0.45),
    ),
    # Losses that have a minimum, around which exponents settle.
    "weight decay 0.01": Kind(
        optax.sgd, 2.0, (0.1, 0.14, 0.17, 0.19, 0.21, 0.23, 0.26, 0.3, 0.4, 0.55), weight_decay=0.01, longer=2
    ),
    "batches of 100": Kind(optax.sgd, 2.0, batch_size=100),
    "Adam": Kind(
        lambda rate: optax.adam(rate, b1=B1, eps_root=EPS_ROOT),
        2 * (1 + B1) / (1 - B1),
        (3e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
        preconditioner=adam_preconditioner(eps_root=EPS_ROOT),
    ),
}
