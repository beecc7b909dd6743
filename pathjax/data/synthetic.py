"""Synthetic data sets; all but gratings have few inputs, whose classes and boundaries can be plotted."""

from collections.abc import Callable

import numpy as np

from pathjax.data.gratings import gratings

Part = tuple[np.ndarray, np.ndarray]
NUM_TRAIN, NUM_TEST = 1500, 500
PLANE_SETS = ("moons", "circles", "spirals", "xor")  # two inputs and two classes


def gaussian_mixture(num_classes: int = 4, num_inputs: int = 2, sd: float = 0.25, seed: int = 0) -> tuple[Part, Part]:
    """One normal cloud per class, with equal standard deviations and centers uniform in [-1, 1].

    >>> [inputs.shape for inputs, labels in gaussian_mixture()]
    [(1500, 2), (500, 2)]
    """
    from sklearn.datasets import make_blobs

    centers = np.random.default_rng(seed).uniform(-1, 1, (num_classes, num_inputs))
    return _parts(make_blobs(NUM_TRAIN + NUM_TEST, centers=centers, cluster_std=sd, random_state=seed))


def moons(sd: float = 0.1, seed: int = 0) -> tuple[Part, Part]:
    """Two interleaved half circles with normal noise of standard deviation `sd`.

    >>> sorted(set(moons()[0][1].tolist()))
    [0, 1]
    """
    from sklearn.datasets import make_moons

    return _parts(make_moons(NUM_TRAIN + NUM_TEST, noise=sd, random_state=seed))


def circles(factor: float = 0.5, sd: float = 0.1, seed: int = 0) -> tuple[Part, Part]:
    """Two concentric circles of radius 1 and `factor`, with normal noise of standard deviation `sd`.

    >>> inputs, labels = circles(sd=0.0)[0]
    >>> np.linalg.norm(inputs, axis=1).round(3).tolist() == np.where(labels == 1, 0.5, 1.0).tolist()
    True
    """
    from sklearn.datasets import make_circles

    return _parts(make_circles(NUM_TRAIN + NUM_TEST, noise=sd, factor=factor, random_state=seed))


def xor(sd: float = 0.35, seed: int = 0) -> tuple[Part, Part]:
    """Four normal clouds at (+-1, +-1), of class 1 where both signs differ.

    >>> inputs, labels = xor(sd=0.1)[0]
    >>> bool(((inputs[:, 0] * inputs[:, 1] < 0) == (labels == 1)).all())
    True
    """
    rng = np.random.default_rng(seed)
    signs = rng.permutation(np.tile([[1, 1], [-1, -1], [1, -1], [-1, 1]], ((NUM_TRAIN + NUM_TEST) // 4, 1)))
    return _parts((signs + sd * rng.normal(size=signs.shape), signs[:, 0] * signs[:, 1] < 0))


def spirals(num_classes: int = 2, turns: float = 1.5, sd: float = 0.02, seed: int = 0) -> tuple[Part, Part]:
    """One spiral per class from the center to radius 1, with normal noise of standard deviation `sd`.

    >>> inputs, labels = spirals()[0]
    >>> bool((np.abs(inputs) < 1.2).all())
    True
    """
    rng = np.random.default_rng(seed)
    num = NUM_TRAIN + NUM_TEST
    labels = rng.permutation(np.arange(num) % num_classes)
    radius = np.sqrt(rng.uniform(0.02, 1, num))  # nearly uniform along the spiral
    angle = 2 * np.pi * (turns * radius + labels / num_classes)
    inputs = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + sd * rng.normal(size=(num, 2))
    return _parts((inputs, labels))


def slabs(num_slabs: int = 5, num_inputs: int = 20, margin: float = 0.1, seed: int = 0) -> tuple[Part, Part]:
    """Two classes separated by the sign of the first input, and by alternating slabs of the second.

    Each of the two inputs suffices; the other inputs are noise, uniform in [-1, 1]. Which of them training uses shows
    its simplicity bias.

    Args:
        num_slabs: number of slabs in the second input, odd and at least 3.
        num_inputs: total number of inputs, 2 or more.
        margin: distance of the classes from 0 in the first input, and half the gap between slabs relative to their
            width.
        seed: of the draws.

    Source: Shah et al. 2020, "The Pitfalls of Simplicity Bias in Neural Networks" (linear and multi-slab blocks).

    >>> inputs, labels = slabs()[0]
    >>> bool(((inputs[:, 0] > 0) == (labels == 1)).all())
    True
    """
    rng = np.random.default_rng(seed)
    num = NUM_TRAIN + NUM_TEST
    labels = rng.permutation(np.arange(num) % 2)
    inputs = rng.uniform(-1, 1, (num, num_inputs))
    inputs[:, 0] = np.where(labels == 1, 1, -1) * rng.uniform(margin, 1, num)
    # Slabs 0, 2, 4, ... belong to class 0, the others to class 1.
    even, odd = 2 * rng.integers(num_slabs // 2 + 1, size=num), 1 + 2 * rng.integers(num_slabs // 2, size=num)
    slab = np.where(labels == 1, odd, even)
    inputs[:, 1] = (slab + rng.uniform(margin, 1 - margin, num)) * 2 / num_slabs - 1
    return _parts((inputs, labels))


def _parts(examples) -> tuple[Part, Part]:
    """Splits examples (inputs, labels) in a random order into training and test set."""
    inputs, labels = examples[0].astype(np.float32), examples[1].astype(np.int32)
    return (inputs[:NUM_TRAIN], labels[:NUM_TRAIN]), (inputs[NUM_TRAIN:], labels[NUM_TRAIN:])


# name -> (generator, number of classes)
SYNTHETIC: dict[str, tuple[Callable[[], tuple[Part, Part]], int]] = {
    "gaussian_mixture": (gaussian_mixture, 4),
    "moons": (moons, 2),
    "circles": (circles, 2),
    "spirals": (spirals, 2),
    "xor": (xor, 2),
    "slabs": (slabs, 2),
    "gratings": (gratings, 10),
}
