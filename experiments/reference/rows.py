"""A row of the table: a value, what it should be, and how far off it may be."""

import math
from typing import NamedTuple

from pathjax.core.errors import InputError


class Row(NamedTuple):
    """`value` should lie within [low, high]; `expected` and `error` (a standard error) are NaN where there is none."""

    what: str
    value: float
    low: float
    high: float
    expected: float = math.nan
    error: float = math.nan


def within_errors(what: str, value, expected, error, limit: float = 4) -> Row:
    """A measured value: off by at most `limit` standard errors.

    >>> passes(within_errors("mean", 1.0, 1.3, 0.1))
    True
    """
    value, expected, error = float(value), float(expected), float(error)
    return Row(what, value, expected - limit * error, expected + limit * error, expected, error)


def exactly(what: str, value, expected, tolerance: float) -> Row:
    """A value without an error: off by at most `tolerance`.

    >>> passes(exactly("sum", 1.0, 1.1, 0.01))
    False
    """
    value, expected = float(value), float(expected)
    return Row(what, value, expected - tolerance, expected + tolerance, expected)


def between(what: str, value, low: float, high: float) -> Row:
    """A value in a range, as of a ratio or a count.

    >>> passes(between("ratio", 1.1, 0.8, 1.3))
    True
    """
    return Row(what, float(value), low, high)


def says(what: str, check, *words: str) -> Row:
    """1 if `check()` raises an InputError whose message holds one of the words or, without any, raises none; else 0.

    >>> says("no fault", lambda: None).value
    1.0
    """
    try:
        check()
        message = ""
    except InputError as error:
        message = str(error)
    named = any(word in message for word in words) if words else not message
    told = "says " + " or ".join(f"'{word}'" for word in words) if words else "no fault found"
    return Row(f"{what}: {told}", float(named), 1, 1)


def passes(row: Row) -> bool:
    """Whether the value lies in its range; NaN does not."""
    return row.low <= row.value <= row.high


def z_score(row: Row) -> float:
    """How many standard errors the value is off; NaN where it has none.

    >>> z_score(exactly("sum", 1.0, 1.1, 0.01))
    nan
    """
    return (row.value - row.expected) / row.error if row.error > 0 else math.nan
