"""Inputs and labels from the columns of a table."""

import decimal
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.images import pixels_of, stacked

LABELS = ("label", "labels", "target", "y", "class")
NO_INPUTS = ("split", "Unnamed: 0", "__index_level_0__")  # the last two are pandas' numbers of rows


def label_column(names: Iterable[str], given: str | None, where: str) -> str:
    """Returns the name of the column with the labels: the given one, or the first with a usual name.

    Raises:
        InputError: if there is none.

    >>> label_column(["width", "y"], None, "own.csv")
    'y'
    """
    found = list(names)
    listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    require(given is None or given in found, f"{where} has no column '{given}': choose label from {listed}")
    plain = {name.strip().lower(): name for name in reversed(found)}
    chosen = given or next((plain[name] for name in LABELS if name in plain), None)
    if chosen is None:
        unknown = f"{where} has the columns {listed}, and none is named {', '.join(LABELS)}"
        separated = len(found) == 1 and any(mark in found[0] for mark in ";\t|")
        raise InputError(f"{unknown}: {'separate columns by commas' if separated else 'set label to its name'}")
    return chosen


def input_columns(names: Iterable[str], label: str, where: str) -> list[str]:
    """Returns the names of the columns with inputs: all others, but for numbers of rows and the split.

    >>> input_columns(["Unnamed: 0", "width", "height", "y", "split"], "y", "own.csv")
    ['width', 'height']
    """
    found = [name for name in names if name not in (label, *NO_INPUTS)]
    require(found, f"{where} has no column but the label '{label}': add columns with inputs")
    return found


def stacked_columns(
    columns: dict[str, Any], where: str, image_size: int | None = None, rows: np.ndarray | None = None
) -> np.ndarray:
    """Returns inputs of a table: one column of images, texts or arrays, or any number of columns of numbers.

    Args:
        columns: values of each column, an array or any other container with `len`.
        where: the file, for error messages.
        image_size: new size of images, see `pathjax.data.images.stacked`.
        rows: the numbers of these rows in the file, for error messages; None: from 0 on.

    Returns:
        Images float32 (n, height, width, channels) in [0, 1], texts as str objects (n,), or numbers (n, ...).

    Raises:
        InputError: for columns of different kinds, missing values, or rows of different shapes.

    >>> stacked_columns({"width": np.array([1, 3]), "height": np.array([2.5, 4])}, "own.csv").tolist()
    [[1.0, 2.5], [3.0, 4.0]]
    """
    places = np.arange(len(next(iter(columns.values())))) if rows is None else rows
    kinds = {name: _kind(values) for name, values in columns.items()}
    others = [name for name, kind in kinds.items() if kind != "number"]
    if not others:
        named = {name: f"{where}, column '{name}'" for name in columns}
        return np.stack([_numbers(values, named[name], places) for name, values in columns.items()], axis=1)
    name = others[0]
    several = f"{where} has a column '{name}' of {kinds[name]}s beside {', '.join(n for n in columns if n != name)}"
    require(len(columns) == 1, f"{several}: keep that column alone, or columns of numbers only")
    values, column = columns[name], f"{where}, column '{name}'"
    if kinds[name] == "image":
        images = (pixels_of(one, f"{column}, row {row}") for one, row in zip(values, places, strict=True))
        return stacked(images, len(values), image_size)
    if kinds[name] == "text":
        texts = list(values)
        first = next((row for row, text in zip(places, texts, strict=True) if not isinstance(text, str)), None)
        require(first is None, f"{column} has no text in row {first}: fill or drop such rows")
        return np.array(texts, object)
    return _same_shape(values, column)


def _kind(values: Any) -> str:
    """Returns what a column has, by its first value that is not missing."""
    value = next((one for one in values if one is not None and one == one), None) if _may_miss(values) else values[0]
    if hasattr(value, "getbands") or (isinstance(value, dict) and "bytes" in value):
        return "image"
    if isinstance(value, str):
        return "text"
    return "array" if isinstance(value, list | tuple | np.ndarray) else "number"


def _may_miss(values: Any) -> bool:
    """Whether values may be missing and are cheap to compare: not arrays, nor numbers."""
    return not isinstance(values[0], list | tuple | np.ndarray | np.number)


def _numbers(values: Any, where: str, rows: np.ndarray) -> np.ndarray:
    given = np.asarray(values)
    is_number = given.dtype.kind in "biuf" or (given.dtype == object and not any(map(_is_no_number, given)))
    require(is_number, f"{where} has values of type {given.dtype}: give numbers; encode dates, or drop the column")
    with np.errstate(over="ignore"):
        found = given.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(found))
    missing = f"{where} has a value that is missing, infinite or too large for float32 in row {rows[bad[:1]].sum()}"
    require(len(bad) == 0, f"{missing}: fill, scale or drop such rows")
    return found


def _is_no_number(value: Any) -> bool:
    return value is not None and not isinstance(value, numbers.Real | decimal.Decimal)


def _same_shape(values: Any, where: str) -> np.ndarray:
    def nested(value: Any) -> Any:  # Parquet's lists of lists are arrays of arrays
        return [nested(one) for one in value] if isinstance(value, np.ndarray) and value.dtype == object else value

    def rows() -> Iterator[np.ndarray]:
        return (np.asarray(nested(value)) for value in values)

    shapes = sorted({row.shape for row in rows()})
    require(len(shapes) == 1, f"{where} has rows of shapes {shapes[0]} and {shapes[-1]}: give the same shape")
    kinds = {row.dtype.kind for row in rows()}
    require(kinds <= set("biuf"), f"{where} has lists of other things than numbers: give numbers, or one text a row")
    return np.stack(list(rows()))
