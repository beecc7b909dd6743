"""Preprocessing of data sets: subsets, balanced classes, wrong labels, standardized inputs."""

import numpy as np

from pathjax.core.errors import require

Part = tuple[np.ndarray, np.ndarray]
TEST_SHARE = 0.1


def subset(part: Part, num: int, rng: np.random.Generator, name: str = "num_train") -> Part:
    """Draws a random subset in a random order.

    Args:
        part: inputs (n, ...) and labels (n, ...).
        num: number of examples.
        rng: random generator of the draw.
        name: name of the option, for the error message.

    Raises:
        InputError: if num is below 1 or above n.

    >>> inputs, labels = subset((np.arange(10), np.arange(10)), 3, np.random.default_rng(0))
    >>> len(inputs), bool((inputs == labels).all())
    (3, True)
    """
    available = len(part[1])
    require(1 <= num <= available, f"{name}={num} is out of range: choose 1 to {available} examples")
    return _taken(part, rng.permutation(available)[:num])


def held_out(num: int, seed: int) -> np.ndarray:
    """Draws the tenth of the examples of a set without splits that is for testing, as bool (num,).

    >>> int(held_out(200, seed=0).sum())
    20
    """
    return np.random.default_rng(seed).permutation(num) < round(num * TEST_SHARE)


def balanced(part: Part, num_classes: int, num: int | None, rng: np.random.Generator) -> Part:
    """Draws equally many examples of each class, in a random order.

    Args:
        part: inputs (n, ...) and labels, int (n,), from 0 to num_classes - 1.
        num_classes: number of classes.
        num: total number of examples; None: the maximum, with as many of each class as the rarest class has.
        rng: random generator of the draw.

    Raises:
        InputError: for labels that are not classes, a class without examples, or an impossible `num`.

    >>> inputs, labels = balanced((np.arange(6), np.array([0, 0, 0, 0, 1, 1])), 2, None, np.random.default_rng(0))
    >>> sorted(labels.tolist())
    [0, 0, 1, 1]
    """
    labels = part[1]
    is_class = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    require(is_class, "balanced is for labels that are classes, one per example: leave it False")
    counts = np.bincount(labels, minlength=num_classes)
    rarest, most = int(counts.argmin()), int(counts.min()) * num_classes
    require(most > 0, f"class {rarest} of {num_classes} has no training examples: balanced must be False")
    num = most if num is None else num
    fits = f"choose a multiple of {num_classes} up to {most} (class {rarest} has {counts.min()} examples)"
    require(
        0 < num <= most and num % num_classes == 0, f"num_train={num} cannot be {num_classes} equal classes: {fits}"
    )
    order = rng.permutation(len(labels))
    of_class = [order[labels[order] == label][: num // num_classes] for label in range(num_classes)]
    return _taken(part, rng.permutation(np.concatenate(of_class)))


def with_label_noise(part: Part, num_classes: int, share: float, rng: np.random.Generator) -> Part:
    """Replaces labels by other classes, all equally likely: round(share n) of the n labels, chosen at random.

    Args:
        part: inputs (n, ...) and labels, int (n,), from 0 to num_classes - 1.
        num_classes: number of classes, 2 or more.
        share: 0 to 1.
        rng: random generator of the draw.

    Raises:
        InputError: for labels that are not classes, or a share out of range.

    >>> labels = with_label_noise((np.zeros(10), np.zeros(10, int)), 2, 0.3, np.random.default_rng(0))[1]
    >>> int(labels.sum())
    3
    """
    inputs, labels = part
    require(0 <= share <= 1, f"label_noise={share:g} is out of range: choose 0 to 1")
    is_class = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer) and num_classes > 1
    require(is_class, "label_noise is for labels that are classes, one per example: leave it 0")
    places = rng.choice(len(labels), round(share * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[places] = (labels[places] + rng.integers(1, num_classes, len(places))) % num_classes
    return inputs, noisy


def standardized(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtracts the training set's mean from inputs and divides by its standard deviation.

    Statistics are per channel for images (n, height, width, channels), and per input otherwise. Inputs that are
    constant in the training set become 0 in both sets.

    Raises:
        InputError: for inputs that are not floats, such as tokens.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3.

    >>> train, test = standardized(np.array([[1.0, 5], [3, 5]], np.float32), np.array([[4.0, 6]], np.float32))
    >>> train.tolist(), test.tolist()
    ([[-1.0, 0.0], [1.0, 0.0]], [[2.0, 0.0]])
    """
    is_float = np.issubdtype(train.dtype, np.floating)
    require(is_float, "standardize is for inputs that are floats, but these are tokens: leave it False")
    axes = tuple(range(train.ndim - 1)) if train.ndim == 4 else (0,)
    # In single precision, sums over a million pixels would lose digits.
    mean = train.mean(axes, dtype=np.float64).astype(np.float32)
    centered = train - mean
    sd = np.sqrt(np.mean(np.square(centered), axes, dtype=np.float64))
    varies = train.max(axes) > train.min(axes)
    scale = np.where(varies, 1 / np.where(varies, sd, 1), 0).astype(np.float32)
    return centered * scale, (test - mean) * scale


def _taken(part: Part, places: np.ndarray) -> Part:
    inputs, labels = part
    return inputs[places], labels[places]
