"""The tables and verdicts of critical periods, as text."""

import numpy as np

from pathjax.analysis.intervals import mean_over_units
from pathjax.analysis.populations import MIN_UNITS, jackknife_of_units
from pathjax.experiments.critical_periods.kinds import DURATIONS, NUDGES, ONSETS
from pathjax.experiments.critical_periods.periods import Period, period_of
from pathjax.reporting.tables import aligned, interval, number

HEADER = (
    "kind",
    "strength",
    "steps",
    "left of a nudge at step 0",
    "kept of it",
    "left from the last onset",
    "kept of it",
    "rate per 1000 steps [95%]",
    "half remains from onset",
    "rms",
)
EARLY = 100  # the last onset of an early nudge
END = (
    "kind",
    f"most that a nudge up to step {EARLY} leaves at the end",
    "its strength, steps, onset",
    "over seeds",
    "most of all nudges",
    "its strength, steps, onset",
    "over seeds",
)


END_NOTE = (
    "Both senses of path dependence: how far the most effective of 42 nudges of a kind moves the outcome, the largest "
    "mean, whose interval does not count the choice of the largest; and how far initializations differ without one."
)


def fits_of(outcome: dict) -> list[list[Period | None]]:
    """Fits what remains of each strength and duration."""
    return [[period_of(np.array(ONSETS), np.array(one, float).T) for one in rows] for rows in outcome["rested"]]


def remains(found: dict[str, dict], fits: dict[str, list]) -> list[str]:
    """Returns the table of what remains of nudges, with the fits of `fits_of`."""
    return aligned([HEADER, *(row for kind, one in found.items() for row in _rows(kind, one, fits[kind]))])


def _rows(kind: str, outcome: dict, fits: list) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for s, strength in enumerate(NUDGES[kind].strengths):
        for d, duration in enumerate(DURATIONS):
            rested = np.array(outcome["rested"][s][d], float).T  # [init, onset]
            after = np.array(outcome["after"][s][d], float).T
            both = [text for i in (0, -1) for text in _left_and_kept(rested[:, i], after[:, i])]
            texts = ("n/a", "n/a", "n/a")
            found = fits[s][d]
            if found is not None:
                rate = interval(*(1000 * r for r in found.rate))
                texts = rate, _half(found), number(found.rms)
            rows.append((kind, f"{strength:g}", str(duration), *both, *texts))
    return rows


def _left_and_kept(rested: np.ndarray, after: np.ndarray) -> tuple[str, str]:
    """Returns what remains of a nudge, and its share of what there was when it ended, over initializations."""
    left = interval(*mean_over_units(rested))
    if len(after) < MIN_UNITS or not after.all():
        return left, "n/a"
    return left, interval(*jackknife_of_units(lambda units: rested[units].mean() / after[units].mean(), len(after)))


def _half(found: Period) -> str:
    if not found.falls:
        return "rises" if found.rises else "undecided"
    if not found.is_exponential:
        return "falls, but not exponentially"
    half = found.half
    if half.value > found.last:
        return f"beyond {found.last:.0f}"
    return f"{half.value:.0f} [{half.low:.0f}, {half.high:.0f}]"


def ends(found: dict[str, dict]) -> list[str]:
    """Returns the table of how far the most effective nudges move the outcome, beside what seeds do."""
    seeds = next(iter(found.values()))["seeds"]  # those of all kinds are the same
    others = interval(*(np.nan if value is None else value for value in seeds))
    rows = aligned([END, *(_end(kind, one) for kind, one in found.items())])
    return [*rows, END_NOTE, f"other initializations, without a nudge: {others}"]


def _end(kind: str, outcome: dict) -> tuple[str, ...]:
    left = np.array(outcome["end"], float)
    texts: list[str] = [kind]
    for num_onsets in (sum(onset <= EARLY for onset in ONSETS), len(ONSETS)):
        some = left[:, :, :num_onsets]
        means = np.nanmean(some, axis=-1) if np.isfinite(some).any() else np.zeros(some.shape[:3])
        s, d, o = np.unravel_index(np.nanargmax(means), means.shape)
        found = mean_over_units(left[s, d, o])
        place = f"{NUDGES[kind].strengths[s]:g}, {DURATIONS[d]}, {ONSETS[o]}"
        texts += [interval(*found), place, number(found.value / outcome["seeds"][0])]
    return tuple(texts)


def verdict(kind: str, fits: list) -> str:
    """Counts for how many strengths and durations there is a critical period, and for how many its opposite."""
    all_fits = [fit for of_strength in fits for fit in of_strength]
    known = [fit for fit in all_fits if fit is not None]
    falls, rises = sum(fit.falls for fit in known), sum(fit.rises for fit in known)
    return (
        f"{kind} (strength: {NUDGES[kind].meaning}): what remains falls with the onset (a critical period) for {falls} "
        f"of {len(all_fits)} strengths and durations, and rises for {rises}."
    )
