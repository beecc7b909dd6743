"""A linear model whose tail is known: the price of an outcome, against a closed form."""

import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

import pathjax
from pathjax.analysis.subset_simulation import Bits, mixed, subset_simulation
from pathjax.experiments.steering.outcomes import ends_of

NUM_WEIGHTS, NUM_EXAMPLES, NUM_STEPS, RATE = 100, 20, 100, 0.05


def price_of_linear(known_bits: float, *, seed: int = 0, num: int = 400, num_repeats: int = 4) -> Bits:
    """Estimates the rarity of an output of a trained linear model that is known to be 2^-known_bits.

    Gradient descent on half the mean squared error takes w_0 to w_T = A w_0 + b with A = (1 - eta X'X / n)^T. If w_0 is
    standard normal, the output x . w_T at another point is normal, of variance |A' x|^2 and mean x . b, so that the
    threshold is x . b + |A' x| z with the quantile z.

    Args:
        known_bits: -log2 of the probability.
        seed: of the data and of all draws.
        num, num_repeats: see `subset_simulation`.

    Returns:
        Bits.
    """
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(NUM_EXAMPLES, NUM_WEIGHTS)), rng.normal(size=NUM_EXAMPLES)
    point = rng.normal(size=NUM_WEIGHTS)
    examples = (jnp.asarray(inputs), jnp.asarray(targets))  # single precision

    def predict(weights, x):
        return jnp.stack([x @ weights, jnp.zeros(len(x))], axis=-1)

    def loss_fn(weights, examples):
        return (examples[0] @ weights - examples[1]) ** 2 / 2

    dynamics = pathjax.training_dynamics(loss_fn, optax.sgd(RATE))

    def score(starts):
        networks = starts.astype(np.float32)
        return ends_of(dynamics, networks, examples, predict, point[None].astype(np.float32), NUM_STEPS)[:, 0, 0]

    def draw(rng, num):
        return rng.normal(size=(num, NUM_WEIGHTS))

    return subset_simulation(
        rng, draw, mixed, score, threshold_of(inputs, targets, point, known_bits), num=num, num_repeats=num_repeats
    )


def threshold_of(inputs: np.ndarray, targets: np.ndarray, point: np.ndarray, known_bits: float) -> float:
    """Computes the output at a point that random starts exceed with probability 2^-known_bits; see above."""
    x, y, at = (np.asarray(a, float) for a in (inputs, targets, point))
    step = np.eye(NUM_WEIGHTS) - RATE * x.T @ x / NUM_EXAMPLES
    whole = np.linalg.matrix_power(step, NUM_STEPS)
    mean = np.zeros(NUM_WEIGHTS)
    for _ in range(NUM_STEPS):
        mean = step @ mean + RATE * x.T @ y / NUM_EXAMPLES
    return float(at @ mean + np.linalg.norm(whole.T @ at) * stats.norm.isf(2.0**-known_bits))
