"""The handwritten digits bundled with scikit-learn: real data that needs no download."""

import numpy as np

NUM_TRAIN = 1500

Pair = tuple[np.ndarray, np.ndarray]


def load_digits() -> tuple[Pair, Pair]:
    """Loads 1,797 images of digits, float32 (n, 8, 8, 1) in [0, 1], in a fixed random order; the first 1,500 are for
    training.

    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), test set.

    >>> [images.shape for images, labels in load_digits()]
    [(1500, 8, 8, 1), (297, 8, 8, 1)]
    """
    from sklearn.datasets import load_digits as load

    digits = load()
    # The file is sorted by writer; after shuffling, both parts contain all writers.
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, ..., None] / 16).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    return (images[:NUM_TRAIN], labels[:NUM_TRAIN]), (images[NUM_TRAIN:], labels[NUM_TRAIN:])
