"""Numbers, spreads and rows as text, for the terminal and for reports."""

import math
from collections.abc import Sequence


def number(value: float | None) -> str:
    """Formats a value with at most four significant digits; None, NaN and infinity are "n/a".

    >>> number(0.001234), number(None)
    ('0.001234', 'n/a')
    """
    if value is None or not math.isfinite(value):
        return "n/a"
    return "0.0" if value == 0 else f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def replica_row(largest: float) -> tuple[str, str, str]:
    """Returns the row of a report that says whether replicas stayed at distance 0.

    >>> replica_row(0.0)
    ('replicas, largest distance', '0.0', 'exact')
    """
    return "replicas, largest distance", number(largest), "exact" if largest == 0 else "not 0: something is wrong"


def interval(value: float, low: float, high: float) -> str:
    """Formats a value and, in brackets, the ends of its interval.

    >>> interval(2.0, 1.0, 3.5)
    '2 [1, 3.5]'
    """
    return f"{number(value)} [{number(low)}, {number(high)}]"


def quantiles(spread: dict) -> str:
    """Formats the median and, in brackets, the 16% and 84% quantiles of a spread (a `Spread` as a dict).

    >>> quantiles({"median": 2.0, "low": 1.0, "high": 3.0, "n": 7, "total": 8})
    '2 [1, 3] (1 lost)'
    """
    if spread["n"] < 2:
        return f"{number(spread['median'])} (one member)" if spread["n"] else "n/a"
    lost = spread["total"] - spread["n"]
    text = interval(spread["median"], spread["low"], spread["high"])
    return text + (f" ({lost} lost)" if lost else "")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Formats rows of cells as lines of text, aligned in columns.

    >>> aligned([("a", "b"), ("long", "c")])
    ['a     b', 'long  c']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
