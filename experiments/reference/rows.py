"""Rows of the table: a value, its expected value, and the allowed difference."""

import math
from typing import NamedTuple

from pathjax.core.errors import InputError


class Row(NamedTuple):
    """`value` should lie within [low, high]; `expected` and `error` (a standard error) are NaN if there is none."""

    what: str
    value: float
    low: float
    high: float
    expected: float = math.nan
    error: float = math.nan


def within_errors(what: str, value, expected, error, limit: float = 4) -> Row:
    """Returns a row for a measured value that may be off by at most `limit` standard errors.

    >>> passes(within_errors("mean", 1.0, 1.3, 0.1))
    True
    """
    value, expected, error = float(value), float(expected), float(error)
    return Row(what, value, expected - limit * error, expected + limit * error, expected, error)


def exactly(what: str, value, expected, tolerance: float) -> Row:
    """Returns a row for a value without an error that may be off by at most `tolerance`.

    >>> passes(exactly("sum", 1.0, 1.1, 0.01))
    False
    """
    value, expected = float(value), float(expected)
    return Row(what, value, expected - tolerance, expected + tolerance, expected)


def between(what: str, value, low: float, high: float) -> Row:
    """Returns a row for a value that must lie in a range, such as a ratio or a count.

    >>> passes(between("ratio", 1.1, 0.8, 1.3))
    True
    """
    return Row(what, float(value), low, high)


def says(what: str, check, *words: str) -> Row:
    """Returns a row for an expected InputError: its value is 1 if `check()` raises one that contains one of the words.

    Without words, the value is 1 if `check()` raises no InputError. Otherwise it is 0.

    >>> says("no fault", lambda: None).value
    1.0
    """
    try:
        check()
        message = ""
    except InputError as error:
        message = str(error)
    named = any(word in message for word in words) if words else not message
    expected = "says " + " or ".join(f"'{word}'" for word in words) if words else "no fault found"
    return Row(f"{what}: {expected}", float(named), 1, 1)


def passes(row: Row) -> bool:
    """Returns whether the value lies in its range; False for NaN."""
    return row.low <= row.value <= row.high


def z_score(row: Row) -> float:
    """Returns the difference from the expected value in standard errors; NaN without an error.

    >>> z_score(exactly("sum", 1.0, 1.1, 0.01))
    nan
    """
    return (row.value - row.expected) / row.error if row.error > 0 else math.nan
