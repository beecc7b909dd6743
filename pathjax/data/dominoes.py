"""Dominoes: two images in one, a pattern on each side, to see which one is learned first."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require, require_count
from pathjax.data.domino_counts import Counts, domino_counts
from pathjax.data.domino_layout import NONE, Layout, lay_out
from pathjax.data.images import resized

MOST_PER_IMAGE = 20  # dominoes, if their number is not given: beyond it nearly all are empty
Part = tuple[np.ndarray, np.ndarray]
Probe = tuple[np.ndarray, np.ndarray | dict[str, np.ndarray]]


class Side(NamedTuple):
    """One side of a domino: the images' source, how often and how reliably they are shown, and how simple they are.

    Attributes:
        source: name of a set of labeled images, as `load_dataset` takes it.
        data_dir: its folder.
        prevalence: share of dominoes that show this side, 0 to 1.
        reliability: share of these in which it shows the domino's class, 0 to 1; in the others it shows a wrong one.
        blur: standard deviation of a Gaussian blur, in pixels.
        resolution: number of pixels per side to which images are reduced, before they are enlarged again; None: all.
        contrast: factor of the pixels, whose background is 0.
        noise: standard deviation of normal noise that is added to each pixel.
    """

    source: str
    data_dir: str | None = None
    prevalence: float = 1.0
    reliability: float = 1.0
    blur: float = 0.0
    resolution: int | None = None
    contrast: float = 1.0
    noise: float = 0.0


class Dominoes(NamedTuple):
    """What dominoes are made of.

    Attributes:
        m, c: the upper and the lower side, named after MNIST and CIFAR-10.
        both: share of dominoes with both sides; None: the product of the prevalences.
        num_classes: number of classes, the first ones of both sets; None: as many as both have.
        label_noise: share of training labels that are wrong.
    """

    m: Side = Side("digits")
    c: Side = Side("gratings")
    both: float | None = None
    num_classes: int | None = None
    label_noise: float = 0.0


@shown_in_short
class Images(NamedTuple):
    """The images of one side to train and to test: float32 (n, height, width, channels), and classes int (n,)."""

    train: Part
    test: Part


@shown_in_short
class DominoSet(NamedTuple):
    """Dominoes to train and to test on, the counts of the training set, and sets that show what a network has learned.

    Attributes:
        train, test: images and labels.
        counts: of the training set.
        probes: (images, classes) of test images, all reliable: "m" and "c", one-sided; "both", two-sided;
            "m_randomized" and "c_randomized", the same with that side's images permuted; "conflict", two-sided with
            different classes, whose labels are {"m": classes, "c": classes}.
    """

    train: Part
    test: Part
    counts: Counts
    probes: dict[str, Probe]


def dominoes(
    made_of: Dominoes,
    images_m: Images,
    images_c: Images,
    *,
    num_classes: int,
    num_train: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
) -> DominoSet:
    """Makes dominoes, float32 (n, height_m + height_c, width, channels), of two sets of images of the same size.

    Training and test set have the same prevalences and reliabilities; no image is used twice in either. A side that is
    not shown is 0.

    Args:
        made_of: what they are made of; `source` and `data_dir` are not read.
        images_m, images_c: the images of the sides, of one width and number of channels.
        num_classes: number of classes; images of others are left out.
        num_train, num_test: number of dominoes; None: as many as images allow.
        seed: of all draws.

    Returns:
        DominoSet.

    Raises:
        InputError: for a setting that is impossible, with what is possible.

    >>> images = Images(*[(np.ones((40, 2, 2, 1), np.float32), np.arange(40) % 10)] * 2)
    >>> half = Dominoes(m=Side("digits", prevalence=0.5))
    >>> found = dominoes(half, images, images, num_classes=10, num_train=20)
    >>> found.train[0].shape, found.counts.both, sorted(found.probes)[:2]
    ((20, 4, 2, 1), 10, ['both', 'c'])
    """
    require_count("num_classes", num_classes, 2)
    shapes = [part[0].shape[2:] for part in (*images_m, *images_c)]
    same = all(shape == shapes[0] for shape in shapes)
    require(same, f"images have (width, channels) {shapes}: give two sets of one width and number of channels")
    m, c = (
        _prepared(np.random.default_rng([seed, i]), images, side, num_classes)
        for i, (images, side) in enumerate(((images_m, made_of.m), (images_c, made_of.c)))
    )
    rng = np.random.default_rng([seed, 2])
    train, counts = _drawn(rng, made_of, m.train, c.train, num_classes, num_train, made_of.label_noise)
    test, _ = _drawn(rng, made_of, m.test, c.test, num_classes, num_test, 0.0)
    return DominoSet(train, test, counts, _probes(rng, m.test, c.test, num_classes))


def _drawn(rng, made_of: Dominoes, m: Part, c: Part, num_classes: int, num: int | None, label_noise: float):
    shares = made_of.m.prevalence, made_of.c.prevalence
    pairs = _num_pairs(m[1], c[1], num_classes)
    counts = domino_counts(*shares, len(m[1]), len(c[1]), num=num, both=made_of.both, num_pairs=pairs)
    drawn_from = len(m[1]) + len(c[1])
    require(
        num is not None or counts.num <= MOST_PER_IMAGE * drawn_from,
        f"{drawn_from} images would make {counts.num} dominoes, of which {counts.empty} are empty: "
        "give num_train and num_test, or larger prevalences",
    )
    reliability = made_of.m.reliability, made_of.c.reliability
    layout = lay_out(rng, counts, m[1], c[1], num_classes=num_classes, reliability=reliability, label_noise=label_noise)
    return (_stacked(m[0], c[0], layout.m, layout.c), layout.labels), counts


def _probes(rng, m: Part, c: Part, num_classes: int) -> dict[str, Probe]:
    pairs = _num_pairs(m[1], c[1], num_classes)
    require(pairs > 0, "the test sets of the two sides have no class in common: choose other sets")
    counts = domino_counts(1.0, 1.0, len(m[1]), len(c[1]), num=pairs, num_pairs=pairs)
    both = lay_out(rng, counts, m[1], c[1], num_classes=num_classes)
    conflict = _conflicts(rng, m[1], c[1], num_classes, pairs)
    none_m, none_c = np.full(len(m[1]), NONE), np.full(len(c[1]), NONE)
    return {
        "m": (_stacked(m[0], c[0], np.arange(len(m[1])), none_m), m[1]),
        "c": (_stacked(m[0], c[0], none_c, np.arange(len(c[1]))), c[1]),
        "both": (_stacked(m[0], c[0], both.m, both.c), both.classes),
        "m_randomized": (_stacked(m[0], c[0], rng.permutation(both.m), both.c), both.classes),
        "c_randomized": (_stacked(m[0], c[0], both.m, rng.permutation(both.c)), both.classes),
        "conflict": (
            _stacked(m[0], c[0], conflict.m, conflict.c),
            {"m": conflict.classes, "c": c[1][conflict.c]},
        ),
    }


def _conflicts(rng, classes_m: np.ndarray, classes_c: np.ndarray, num_classes: int, num: int) -> Layout:
    """Lays out dominoes whose sides show different classes: `num`, or fewer if there are not enough such images."""
    while num > 0:
        counts = domino_counts(1.0, 1.0, len(classes_m), len(classes_c), num=num, num_pairs=num)
        try:
            return lay_out(rng, counts, classes_m, classes_c, num_classes=num_classes, reliability=(1.0, 0.0))
        except InputError:
            num = num * 9 // 10
    raise InputError("the test sets have one class alone, so that their sides cannot conflict: choose other sets")


def _num_pairs(classes_m: np.ndarray, classes_c: np.ndarray, num_classes: int) -> int:
    each = [np.bincount(classes, minlength=num_classes) for classes in (classes_m, classes_c)]
    return int(np.minimum(*each).sum())


def _stacked(images_m: np.ndarray, images_c: np.ndarray, m: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Stacks images by their indices; a side without an image is 0."""
    halves = []
    for images, chosen in ((images_m, m), (images_c, c)):
        half = np.zeros((len(chosen), *images.shape[1:]), np.float32)
        half[chosen >= 0] = images[chosen[chosen >= 0]]
        halves.append(half)
    return np.concatenate(halves, axis=1)


def _prepared(rng, images: Images, side: Side, num_classes: int) -> Images:
    """Returns the images of the chosen classes, as simple as the side's settings make them."""
    parts = []
    for inputs, classes in images:
        chosen = classes < num_classes
        parts.append((degraded(rng, inputs[chosen], side), classes[chosen].astype(np.int32)))
    return Images(*parts)


def degraded(rng: np.random.Generator, images: np.ndarray, side: Side) -> np.ndarray:
    """Blurs images, reduces their resolution, scales their contrast, and adds noise, in this order.

    Args:
        rng: random generator of the noise.
        images: float32 (n, height, width, channels).
        side: whose `blur`, `resolution`, `contrast` and `noise` apply.

    Returns:
        float32 of the same shape.

    Raises:
        InputError: for a value out of range.

    >>> some = np.ones((1, 4, 4, 1), np.float32)
    >>> degraded(np.random.default_rng(0), some, Side("digits", contrast=0.5))[0, 0, 0, 0].item()
    0.5
    """
    for name in ("blur", "contrast", "noise"):
        value = getattr(side, name)
        require(0 <= value < np.inf, f"{name} {value:g} of a side is out of range: choose 0 or more")
    size, shape = side.resolution, images.shape[1:3]
    if size is not None:
        require_count("resolution of a side", size)
    fits = size is None or (1 <= size <= min(shape) and shape[0] == shape[1])
    require(
        fits, f"resolution {size} does not fit images of {shape[0]} x {shape[1]}: choose 1 to {min(shape)}, or None"
    )
    found = images
    if side.blur:
        found = ndimage.gaussian_filter(found, (0, side.blur, side.blur, 0))
    if size is not None and size < shape[0]:
        found = np.stack([resized(resized(one, size), shape[0]) for one in found])
    found = found * np.float32(side.contrast)
    if side.noise:
        found = found + (side.noise * rng.normal(size=found.shape)).astype(np.float32)
    return found.astype(np.float32)
