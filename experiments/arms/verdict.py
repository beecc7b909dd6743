"""The verdict on a trace, in words."""

import numpy as np

from pathjax.analysis.intervals import Interval
from pathjax.experiments.arms.traces import Trace

FLAT = (0.8, 1.25)  # of d(T) / d(half-way) on a plateau


def verdict(found: Trace, arm: str, measure: str) -> str:
    """Says whether a trace persists: it is there, it stays, and the random push and seeds do less.

    A trace is there if d(T) exceeds that of one rounding error. It stays if the interval of d(T) / d(half-way) lies
    within 0.8 to 1.25, decays if it lies below 0.8, and grows if it lies above 1.25.
    """
    still = f"meanwhile plain runs moved by {_percent(found.moved)}, and their loss went from " + (
        f"{found.loss_after.value:.2g} to {found.loss_end.value:.2g}"
    )
    size = (
        f"{_percent(found.end)} at the end, of {_percent(found.after)} when it ended; a frozen run would show "
        f"{_percent(found.frozen)}"
    )
    if not found.beyond_bit.low > 0:
        than = " beyond what one rounding error leaves" if found.end.value > 0 else ""
        return f"{arm}, {measure}: no trace{than} is detected ({size}); {still}."
    return f"{arm}, {measure}: {_course(found.late)} ({size}); {_beyond(found)}; {still}."


def _course(late: Interval) -> str:
    if FLAT[0] < late.low and late.high < FLAT[1]:
        return "the trace stays"
    if late.high < FLAT[0]:
        return "the trace decays"
    if late.low > FLAT[1]:
        return "the trace grows"
    return "there is a trace, of which it cannot be told whether it stays"


def _beyond(found: Trace) -> str:
    push = found.beyond_control
    words, other = "no random push was run", ""
    if np.isfinite(push.value):
        than = "more than" if push.low > 0 else "less than" if push.high < 0 else "not detectably more than"
        words = f"it is {than} what a random push of the same force leaves"
        other = f", and {_apart('pushed', found.separation_from_control)}"
    return f"{words}; as a population, nudged runs {_apart('plain', found.separation)}{other}"


def _apart(others: str, separation: Interval) -> str:
    apart = "are set apart" if separation.low > 0 else "are not detectably set apart"
    return f"{apart} from {others} ones (by {_percent(separation)} of what seeds do)"


def _percent(found: Interval) -> str:
    if not np.isfinite(found.value):
        return "unknown"
    text = f"{100 * found.value:.3g}%"
    return f"{text} [{100 * found.low:.3g}, {100 * found.high:.3g}]" if np.isfinite(found.low) else text
