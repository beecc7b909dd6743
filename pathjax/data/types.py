"""A data set, and what may be done to it."""

from typing import NamedTuple

import numpy as np


class Dataset(NamedTuple):
    """Inputs and labels, for training and for testing.

    Attributes:
        train: inputs, float32 (n, ...), of images (n, height, width, channels) in [0, 1], or tokens int32
            (n, length); and labels: classes int32 (n,), the next tokens int32 (n, length), or targets
            float32 (n, 1).
        test: likewise.
        num_classes: outputs that a network needs.
        num_tokens: size of the vocabulary, where inputs are tokens.
        origin: where it comes from and what was done to it, as JSON can hold it; with `sha256`, the digest
            of its arrays.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int
    num_tokens: int | None = None
    origin: dict = {}  # a new one for each set; this one is never changed


class Options(NamedTuple):
    """What `load_dataset` is to do to a set; by itself, nothing.

    Attributes:
        image_size: height and width that images are brought to, see `pathjax.data.images.resized`. Needed
            where they have several sizes.
        num_train: a random part of the training set, of so many examples.
        num_test: likewise.
        balanced: equally many of each class for training, see `pathjax.data.preprocessing.balanced`.
        standardize: inputs on one scale, see `pathjax.data.preprocessing.standardized`.
        seed: of what is drawn at random: the parts; the split of a file that has none.
        level: of "text": "character" or "byte".
        context: tokens that a network sees, of "text" and "induction".
        max_length: tokens of a text with a label; longer ones are cut.
        vocabulary_size: of texts with labels, how many words are known (10,000), the most frequent of the
            training set; of "induction", how many tokens there are (as many as the context).
        sha256: the digest that is expected (`origin["sha256"]`).
    """

    image_size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    balanced: bool = False
    standardize: bool = False
    seed: int = 0
    level: str = "character"
    context: int = 64
    max_length: int = 64
    vocabulary_size: int | None = None
    sha256: str | None = None
