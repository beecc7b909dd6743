"""The types of data sets and of their options."""

from typing import Any, NamedTuple

import numpy as np

from pathjax.core.display import shown_in_short
from pathjax.data.dominoes import Dominoes, Probe


@shown_in_short
class Dataset(NamedTuple):
    """Inputs and labels for training and testing.

    Attributes:
        train: (inputs, labels). Inputs are float32 (n, ...), with images (n, height, width, channels) in [0, 1], or
            tokens int32 (n, length). Labels are classes int32 (n,), next tokens int32 (n, length), or targets
            float32 (n, 1).
        test: the same for testing.
        num_classes: number of outputs that a network needs.
        num_tokens: size of the vocabulary if inputs are tokens, else None.
        origin: source and preprocessing as JSON-compatible values, with `sha256`, the digest of the arrays.
        probes: other sets by name, which show what a network has learned: (inputs, labels), or several labels by name.
        stream: a `pathjax.Source` of the training set, if it stays in files; `train` then has its first examples.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int
    num_tokens: int | None = None
    origin: dict = {}  # never modified: each set gets a new dict
    probes: dict[str, Probe] = {}
    stream: Any = None

    @property
    def num_train(self) -> int:
        """The number of training examples."""
        return len(self.train[1] if self.stream is None else self.stream)


class Options(NamedTuple):
    """Preprocessing options of `load_dataset`; the defaults change nothing.

    Attributes:
        image_size: new height and width of images, see `pathjax.data.images.resized`. Required if images have different
            sizes.
        num_train: size of a random subset of the training set; None: all.
        num_test: size of a random subset of the test set; None: all.
        balanced: whether to train on equally many examples of each class, see `pathjax.data.preprocessing.balanced`.
        label_noise: share of the training labels that are replaced by another class, for labels that are classes; see
            `pathjax.data.preprocessing.with_label_noise`.
        standardize: whether to standardize inputs, see `pathjax.data.preprocessing.standardized`.
        seed: of random subsets, and of the split of a file without splits.
        level: "character" or "byte", for "text".
        context: number of tokens that a network sees, for "text" and "induction".
        max_length: number of tokens of a labeled text; longer texts are truncated.
        vocabulary_size: for labeled texts, the number of known words, the most frequent ones of the training set
            (None: 10,000); for "induction", the number of tokens (None: equal to the context).
        sha256: the expected digest (`origin["sha256"]`).
        dominoes: what "dominoes" are made of.
        label: the column with the labels, for "csv", "parquet" and "huggingface"; None: that named label, labels,
            target, y or class.
        stream: whether the training set stays in its files and is read when it is needed, for "npy", "huggingface" and
            sets of TensorFlow Datasets.
    """

    image_size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    balanced: bool = False
    label_noise: float = 0.0
    standardize: bool = False
    seed: int = 0
    level: str = "character"
    context: int = 64
    max_length: int = 64
    vocabulary_size: int | None = None
    sha256: str | None = None
    dominoes: Dominoes = Dominoes()
    label: str | None = None
    stream: bool = False
