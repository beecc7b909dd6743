"""Regression on another network's outputs: a target that a network can learn exactly."""

import numpy as np

from pathjax.core.errors import require

Part = tuple[np.ndarray, np.ndarray]
NUM_TRAIN, NUM_TEST = 1500, 500


def teacher_student(num_inputs: int = 16, num_hidden: int = 4, sd: float = 0.0, seed: int = 0) -> tuple[Part, Part]:
    """Draws standard normal inputs, float32 (n, num_inputs), and targets, float32 (n, 1), of a fixed random teacher.

    The teacher is tanh(x W) v, with one hidden layer and no biases; its weights are normal, with variances such that
    preactivations and targets have a variance near 1.

    Args:
        num_inputs: number of the teacher's inputs.
        num_hidden: number of the teacher's hidden units.
        sd: standard deviation of normal noise on the training targets; test targets have no noise.
        seed: of teacher and inputs.

    Raises:
        InputError: for sizes below 1 or a negative sd.

    Source: Saad & Solla 1995, "On-line learning in soft committee machines" (with erf for tanh).

    >>> [(inputs.shape, targets.shape) for inputs, targets in teacher_student()]
    [((1500, 16), (1500, 1)), ((500, 16), (500, 1))]
    """
    sizes = f"num_inputs={num_inputs} and num_hidden={num_hidden} are out of range: choose 1 or more"
    require(min(num_inputs, num_hidden) >= 1, sizes)
    require(sd >= 0, f"sd={sd:g} is out of range: choose 0 or more")
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(num_inputs, num_hidden)) / np.sqrt(num_inputs)
    readout = rng.normal(size=(num_hidden, 1)) * np.sqrt(2 / num_hidden)  # tanh of a standard normal has variance 0.4
    inputs = rng.normal(size=(NUM_TRAIN + NUM_TEST, num_inputs))
    targets = np.tanh(inputs @ weights) @ readout
    targets[:NUM_TRAIN] += sd * rng.normal(size=(NUM_TRAIN, 1))
    x, y = inputs.astype(np.float32), targets.astype(np.float32)
    return (x[:NUM_TRAIN], y[:NUM_TRAIN]), (x[NUM_TRAIN:], y[NUM_TRAIN:])
