"""Where training from given starts ends: outputs, and how far they lie towards a nudged outcome."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.core.types import Dynamics, PyTree


class Outcome(NamedTuple):
    """The direction from plain to nudged outcomes.

    Attributes:
        plain: float[point], the mean probability of class 1 without a nudge.
        toward: float[point], the mean with it, less that.
        weights: float[point], a measure whose sum is 1.
    """

    plain: np.ndarray
    toward: np.ndarray
    weights: np.ndarray

    def score(self, probabilities: np.ndarray) -> np.ndarray:
        """Computes how far outcomes float[n, point] lie towards nudged ones: 0 on average without a nudge, 1 with."""
        along = self.weights * self.toward
        length = float(along @ self.toward)
        require(length > 0, "the nudge changes no prediction: there is nothing to price")
        return (probabilities - self.plain) @ along / length


def ends_of(
    dynamics: Dynamics,
    networks: PyTree,
    examples: tuple,
    predict: Callable,
    points: np.ndarray,
    num_steps: int,
    hparams: dict | None = None,
) -> np.ndarray:
    """Trains networks on all examples at every step, and returns their logits at some points in the end.

    Returns:
        float[network, point, class].
    """
    ensemble = pathjax.independent_ensemble(dynamics, networks, hparams=hparams)
    schedule = pathjax.full_batch_schedule(len(examples[0]), num_steps)
    at = (points, np.zeros(len(points), np.int32))
    measures = [obs.outputs(predict, {"end": at}, every=num_steps, per_example=["outputs"])]
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh(), chunk_length=num_steps)
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, measures, options).records["end_outputs"]
    return np.asarray(found[-1], float)


def probability_of_one(logits: np.ndarray) -> np.ndarray:
    """Returns the probability of class 1, from logits of two classes."""
    return np.asarray(jax.nn.softmax(logits, axis=-1))[..., 1].astype(float)
