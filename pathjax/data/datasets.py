"""The data sets by name."""

from typing import NamedTuple

import numpy as np

from pathjax.data.digits import load_digits
from pathjax.data.synthetic import SYNTHETIC
from pathjax.data.tfds import load_images
from pathjax.errors import require

DATASETS = ("digits", "mnist", "fashion_mnist", *SYNTHETIC)


class Dataset(NamedTuple):
    """Inputs float32 (n, ...), of images in [0, 1], and labels int32 (n,), for training and for testing."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int


def load_dataset(name: str, data_dir: str | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: "digits" (bundled, 8x8, 1,500 + 297), "mnist" or "fashion_mnist" (28x28, 60,000 + 10,000, from a folder
            of TensorFlow Datasets); "gaussian_mixture", "moons", "spirals" or "slabs" (drawn, 1,500 + 500; see
            `pathjax.data.synthetic`).
        data_dir: that folder; None for its default, ~/tensorflow_datasets.

    Raises:
        InputError: for an unknown name, or a data set that has not been prepared.

    >>> load_dataset("digits").train[0].shape
    (1500, 64)
    """
    require(name in DATASETS, f"unknown data set '{name}': choose one of {', '.join(DATASETS)}")
    if name in SYNTHETIC:
        draw, num_classes = SYNTHETIC[name]
        return Dataset(*draw(), num_classes)
    if name == "digits":
        train, test = load_digits()
    else:
        train, test = load_images(name, data_dir)
    return Dataset(train, test, num_classes=10)
