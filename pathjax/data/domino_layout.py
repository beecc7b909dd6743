"""Which image goes into which domino: exact counts, one class for both sides, and no image twice."""

from typing import NamedTuple

import numpy as np

from pathjax.core.errors import require
from pathjax.data.domino_counts import Counts

NONE = -1  # a side without an image


class Layout(NamedTuple):
    """Which images N dominoes show.

    Attributes:
        classes: int[N], the true class of each.
        labels: int[N], the class that training is told: another one where labels are noisy.
        m, c: int[N], the index of the image that a side shows; -1 for none.
    """

    classes: np.ndarray
    labels: np.ndarray
    m: np.ndarray
    c: np.ndarray


def lay_out(
    rng: np.random.Generator,
    counts: Counts,
    classes_m: np.ndarray,
    classes_c: np.ndarray,
    *,
    num_classes: int,
    reliability: tuple[float, float] = (1.0, 1.0),
    label_noise: float = 0.0,
) -> Layout:
    """Draws a layout: each side shows an image of the domino's class, or of a wrong one where it is not reliable.

    Classes are as equally frequent as the images allow, in the two-sided, one-sided and empty dominoes each. A side is
    wrong in round((1 - reliability) n) of the n dominoes that show it, chosen at random; it then shows any other class,
    with equal probabilities as far as images last. A wrong label is any other class.

    Args:
        rng: random generator.
        counts: of `domino_counts`, with `num_pairs` of these classes.
        classes_m, classes_c: int[n], the classes of the images.
        num_classes: number of classes.
        reliability: of the sides m and c, 0 to 1.
        label_noise: share of labels that are wrong, 0 to 1.

    Returns:
        Layout, in random order.

    Raises:
        InputError: if a share is out of range, or images of other classes do not suffice for the wrong sides.

    >>> counts = Counts(num=4, both=2, only_m=1, only_c=0, empty=1, rejected_m=1, rejected_c=2)
    >>> found = lay_out(np.random.default_rng(0), counts, np.arange(4) % 2, np.arange(4) % 2, num_classes=2)
    >>> int((found.m >= 0).sum()), int((found.c >= 0).sum())
    (3, 2)
    """
    shares = {"reliability of side m": reliability[0], "reliability of side c": reliability[1]}
    for what, share in (shares | {"label_noise": label_noise}).items():
        require(0 <= share <= 1, f"{what} {share:g} is out of range: choose 0 to 1")
    available = [np.bincount(own, minlength=num_classes) for own in (classes_m, classes_c)]
    both = even_split(rng, counts.both, np.minimum(*available))
    only = [
        even_split(rng, num, have - both) for num, have in zip((counts.only_m, counts.only_c), available, strict=True)
    ]
    empty = even_split(rng, counts.empty, np.full(num_classes, counts.empty))
    parts = [np.repeat(np.arange(num_classes), each) for each in (both, *only, empty)]
    shows_m = np.repeat([True, True, False, False], [len(part) for part in parts])
    shows_c = np.repeat([True, False, True, False], [len(part) for part in parts])
    order = rng.permutation(counts.num)
    classes = np.concatenate(parts)[order]
    shown = [
        _shown(rng, classes, shows[order], have, share, side)
        for shows, have, share, side in zip((shows_m, shows_c), available, reliability, "mc", strict=True)
    ]
    m, c = (_images(rng, own, of) for own, of in zip(shown, (classes_m, classes_c), strict=True))
    labels = classes.copy()
    noisy = rng.choice(counts.num, round(label_noise * counts.num), replace=False)
    require(len(noisy) == 0 or num_classes > 1, "wrong labels need another class: choose num_classes of 2 or more")
    labels[noisy] = (classes[noisy] + rng.integers(1, max(num_classes, 2), len(noisy))) % num_classes
    return Layout(classes.astype(np.int32), labels.astype(np.int32), m, c)


def even_split(rng: np.random.Generator, total: int, limits: np.ndarray) -> np.ndarray:
    """Splits a total as evenly as limits allow; who gets what does not divide is drawn.

    >>> even_split(np.random.default_rng(0), 10, np.array([1, 9, 9])).sum()
    np.int64(10)
    """
    found = np.zeros(len(limits), int)
    rest = total
    while rest > 0:
        free = np.flatnonzero(found < limits)
        require(len(free) > 0, f"{total} does not fit the limits {limits.tolist()}: choose at most {limits.sum()}")
        share = rest // len(free)
        if share == 0:
            found[rng.choice(free, rest, replace=False)] += 1
            break
        added = np.minimum(limits[free] - found[free], share)
        found[free] += added
        rest -= int(added.sum())
    return found


def _shown(rng, classes: np.ndarray, shows: np.ndarray, available: np.ndarray, reliability: float, side: str):
    """Returns the class that a side shows in each domino, or NONE."""
    at = np.flatnonzero(shows)
    num = round((1 - reliability) * len(at))
    limits = _most_wrong(np.bincount(classes[at], minlength=len(available)), available, num)
    require(
        num <= limits.sum(),
        f"images of other classes do not suffice for {num} wrong sides {side}: choose a higher reliability, "
        "or fewer dominoes",
    )
    wrong = _chosen(rng, at, classes, limits, num)
    shown = np.where(shows, classes, NONE)
    _show_others(rng, shown, wrong, classes, available)
    return shown


def _most_wrong(shown: np.ndarray, available: np.ndarray, num: int) -> np.ndarray:
    """Returns how many sides of each class can be wrong, if `num` are in all.

    The w_k wrong sides of class k need as many images of other classes that right sides leave: w_k is at most the sum
    over the others of s_j + w_j, with s_j the images that a reliable side would leave, or 2 w_k <= num + sum s_j. By
    Hall's theorem that is enough, for wrong sides of two classes or more can use every image that is left.
    """
    slack = available - shown
    return np.minimum(shown, (num + slack.sum() - slack) // 2)


def _chosen(rng, at: np.ndarray, classes: np.ndarray, limits: np.ndarray, num: int) -> np.ndarray:
    """Draws `num` of the dominoes `at`, at most `limits` of each class, which binds one class at most."""
    drawn = rng.permutation(at)
    excess = np.bincount(classes[drawn[:num]], minlength=len(limits)) - limits
    if not (excess > 0).any():
        return drawn[:num]
    full = int(excess.argmax())
    own, others = drawn[classes[drawn] == full], drawn[classes[drawn] != full]
    return rng.permutation(np.concatenate([own[: limits[full]], others[: num - limits[full]]]))


def _show_others(rng, shown: np.ndarray, wrong: np.ndarray, classes: np.ndarray, available: np.ndarray) -> None:
    """Lets wrong sides show other classes than theirs, in place."""
    shown[wrong] = NONE
    left = available - np.bincount(shown[shown >= 0], minlength=len(available))
    for i in wrong:
        own = classes[i]
        others = np.flatnonzero(left > 0)
        others = others[others != own]
        if len(others):
            shown[i] = rng.choice(others)
            left[shown[i]] -= 1
            continue
        # Only images of its own class are left: another wrong side takes one, and gives its own.
        swaps = wrong[(shown[wrong] != NONE) & (shown[wrong] != own) & (classes[wrong] != own)]
        other = rng.choice(swaps)
        shown[i], shown[other] = shown[other], own
        left[own] -= 1


def _images(rng, shown: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns the index of an image of each shown class, none twice, or NONE."""
    found = np.full(len(shown), NONE)
    for one in np.unique(shown[shown >= 0]):
        at = np.flatnonzero(shown == one)
        found[at] = rng.permutation(np.flatnonzero(classes == one))[: len(at)]
    return found
