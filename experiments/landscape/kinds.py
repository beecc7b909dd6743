"""Ways of training, what each does on a quadratic, and the rates to sweep."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
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
        rates: the learning rates.
        momentum: b, the share of the last step's direction that is kept.
        gain: the weight of a new gradient g, as in v' = b v + gain g.
        batch_size: examples of a step; None: all.
        preconditioner: the metric in which sharpness is measured; None: the weights' own.
        weight_decay: the strength of half the sum of squared weights, which is part of the loss.
        longer: factor of the number of steps.
    """

    optimizer: Callable
    rates: tuple[float, ...] = RATES
    momentum: float = 0.0
    gain: float = 1.0
    batch_size: int | None = None
    preconditioner: Callable[[State], PyTree] | None = None
    weight_decay: float = 0.0
    longer: int = 1

    @property
    def threshold(self) -> float:
        """Rate times curvature beyond which a quadratic diverges, 2 (1 + b) / gain."""
        return 2 * (1 + self.momentum) / self.gain

    def exponent(self, edge: np.ndarray) -> np.ndarray:
        """Returns the growth rate on a quadratic, in nats per step, at rate times curvature `edge`: ln|z| of the larger
        root of z^2 - (1 + b - gain edge) z + b.

        >>> Kind(optax.sgd).exponent(np.array([-0.5])).round(4)  # ln 1.5
        array([0.4055])
        """
        linear = 1 + self.momentum - self.gain * np.asarray(edge, complex)
        root = np.sqrt(linear**2 - 4 * self.momentum)
        return np.log(np.maximum(abs(linear + root), abs(linear - root)) / 2)


KINDS = {
    "gradient descent": Kind(optax.sgd),
    "momentum 0.9": Kind(
        lambda rate: optax.sgd(rate, MOMENTUM),
        (0.03, 0.06, 0.1, 0.13, 0.16, 0.19, 0.22, 0.25, 0.3, 0.45),
        momentum=MOMENTUM,
    ),
    # Losses that have a minimum, around which exponents settle.
    "weight decay 0.01": Kind(
        optax.sgd, (0.1, 0.14, 0.17, 0.19, 0.21, 0.23, 0.26, 0.3, 0.4, 0.55), weight_decay=0.01, longer=2
    ),
    "batches of 100": Kind(optax.sgd, batch_size=100),
    "Adam": Kind(
        lambda rate: optax.adam(rate, b1=B1, eps_root=EPS_ROOT),
        (3e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
        momentum=B1,
        gain=1 - B1,
        preconditioner=adam_preconditioner(eps_root=EPS_ROOT),
    ),
}
