"""How many dominoes are one-sided, two-sided and empty, and how many images of each set are left over."""

import math
from typing import NamedTuple

from pathjax.core.errors import InputError, require, require_count

LEAST = 1e-6  # a share below it is a mistake, if it is not 0


class Counts(NamedTuple):
    """Numbers of dominoes, and of the images of each set that are not used.

    Attributes:
        num: N, all dominoes; the sum of the next four.
        both: dominoes with both images.
        only_m, only_c: dominoes with one.
        empty: dominoes with none.
        rejected_m, rejected_c: images that are in no domino.
    """

    num: int
    both: int
    only_m: int
    only_c: int
    empty: int
    rejected_m: int
    rejected_c: int


def domino_counts(
    prevalence_m: float,
    prevalence_c: float,
    num_m: int,
    num_c: int,
    *,
    num: int | None = None,
    both: float | None = None,
    num_pairs: int | None = None,
) -> Counts:
    """Computes the counts of N dominoes of which shares p_m and p_c show an image of the sets m and c, and p_mc both.

    With empty dominoes there is exactly one solution: N p_mc two-sided dominoes, N (p_m - p_mc) and N (p_c - p_mc)
    one-sided ones, N (1 - p_m - p_c + p_mc) empty ones, and N_m - N p_m and N_c - N p_c rejected images. N p_m, N p_c
    and N p_mc are rounded to integers. docs/dominoes.md has the derivation.

    Args:
        prevalence_m, prevalence_c: p_m and p_c, 0 to 1.
        num_m, num_c: N_m and N_c, the images of each set.
        num: N; None: the largest number that the images allow.
        both: p_mc; None: p_m p_c, independent sides.
        num_pairs: the largest number of two-sided dominoes, because the two images of one show the same class; None:
            the smaller of num_m and num_c.

    Returns:
        Counts.

    Raises:
        InputError: for a setting that is impossible, with what is possible.

    >>> domino_counts(0.5, 0.8, 1000, 900, num=1000)
    Counts(num=1000, both=400, only_m=100, only_c=400, empty=100, rejected_m=500, rejected_c=100)
    """
    joint = prevalence_m * prevalence_c if both is None else both
    _check_shares(prevalence_m, prevalence_c, joint)
    for name, share, have in (("m", prevalence_m, num_m), ("c", prevalence_c, num_c)):
        require_count(f"num_{name}", have, 0)
        require(share == 0 or have > 0, f"set {name} has no images: give some, or choose prevalence 0 of side {name}")
    pairs = min(num_m, num_c) if num_pairs is None else num_pairs
    limits = {
        "images of set m": (prevalence_m, num_m),
        "images of set c": (prevalence_c, num_c),
        "pairs of images of the same class": (joint, pairs),
    }
    largest = min((_most(share, have) for share, have in limits.values() if share > 0), default=None)
    require(largest != 0, "no class has images in both sets: choose other sets, or both=0 for one-sided dominoes")
    num_is_free = num is None
    if num is None:
        if largest is None:
            raise InputError("all dominoes are empty, of which there can be any number: give num")
        num = largest
    require_count("num", num, 1)
    for what, (share, have) in limits.items():
        need = round(num * share)
        possible = f"choose at most {largest} dominoes, or a smaller prevalence"
        require(need <= have, f"{num} dominoes need {need} {what}, but there are {have}: {possible}")
    with_m, with_c = round(num * prevalence_m), round(num * prevalence_c)
    # Rounding may leave the two-sided ones a range of a few, of which the images allow the lower part.
    fewest = max(with_m + with_c - num, 0)
    paired = min(max(round(num * joint), fewest), with_m, with_c)
    if paired > pairs and num_is_free and num > 1:
        return domino_counts(prevalence_m, prevalence_c, num_m, num_c, num=num - 1, both=both, num_pairs=pairs)
    require(
        paired <= pairs,
        f"{num} dominoes need {paired} pairs of images of the same class, but there are {pairs}: "
        "choose fewer dominoes, or smaller prevalences",
    )
    empty = num - with_m - with_c + paired
    return Counts(num, paired, with_m - paired, with_c - paired, empty, num_m - with_m, num_c - with_c)


def _check_shares(prevalence_m: float, prevalence_c: float, joint: float) -> None:
    shares = {"prevalence of side m": prevalence_m, "prevalence of side c": prevalence_c, "share with both": joint}
    for what, share in shares.items():
        smallest = LEAST**2 if what == "share with both" else LEAST
        in_range = share == 0 or smallest <= share <= 1
        require(in_range, f"{what} {share:g} is out of range: choose 0, or {smallest:g} to 1")
    least, most = max(0.0, prevalence_m + prevalence_c - 1), min(prevalence_m, prevalence_c)
    sides = f"sides of prevalence {prevalence_m:g} and {prevalence_c:g}"
    in_range = least - 1e-9 <= joint <= most + 1e-9
    require(in_range, f"a share of {joint:g} dominoes with both {sides} is impossible: choose {least:g} to {most:g}")


def _most(share: float, have: int) -> int:
    """Returns the largest N for which N share, rounded, is at most `have`."""
    found = math.floor((have + 0.5) / share) + 1
    while round(found * share) > have:
        found -= 1
    return found
