"""Oriented gratings: images that need no download, of classes that differ in angle."""

import numpy as np

from pathjax.core.errors import require

Part = tuple[np.ndarray, np.ndarray]
NUM_TRAIN, NUM_TEST = 1500, 500


def gratings(
    num_classes: int = 10, size: int = 8, period: float = 4.0, sd: float = 0.1, seed: int = 0
) -> tuple[Part, Part]:
    """Draws sine gratings, float32 (n, size, size, 1), of the angles pi k / num_classes for class k and random phase.

    Pixels are (1 + sin(2 pi (x cos a + y sin a) / period + phase)) / 2 plus normal noise. As the phase is uniform, the
    mean image is gray for all classes, so that no linear classifier tells them apart.

    Args:
        num_classes: number of angles, 2 or more.
        size: height and width in pixels.
        period: in pixels, 2 or more.
        sd: standard deviation of the noise.
        seed: of the draws.

    Returns:
        Training and test set, each images and classes int32 (n,); 1,500 + 500.

    Raises:
        InputError: for a value out of range.

    >>> [images.shape for images, labels in gratings()]
    [(1500, 8, 8, 1), (500, 8, 8, 1)]
    """
    require(num_classes >= 2 and size >= 2, f"num_classes={num_classes} and size={size} must be 2 or more")
    require(period >= 2 and sd >= 0, f"period={period:g} must be 2 or more, and sd={sd:g} 0 or more")
    rng = np.random.default_rng(seed)
    num = NUM_TRAIN + NUM_TEST
    labels = rng.permutation(np.arange(num) % num_classes).astype(np.int32)
    angle = np.pi * labels[:, None, None] / num_classes
    phase = rng.uniform(0, 2 * np.pi, (num, 1, 1))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    waves = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
    images = ((1 + waves) / 2 + sd * rng.normal(size=waves.shape)).astype(np.float32)[..., None]
    return (images[:NUM_TRAIN], labels[:NUM_TRAIN]), (images[NUM_TRAIN:], labels[NUM_TRAIN:])
