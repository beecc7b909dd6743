"""Inputs and labels from the columns of a table."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.images import stacked

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
    chosen = given or next((name for name in LABELS if name in found), None)
    unknown = f"{where} has the columns {listed}, and none is named {', '.join(LABELS)}: set label to its name"
    if chosen is None:
        raise InputError(unknown)
    return chosen


def input_columns(names: Iterable[str], label: str, where: str) -> list[str]:
    """Returns the names of the columns with inputs: all others, but for numbers of rows and the split.

    >>> input_columns(["Unnamed: 0", "width", "height", "y", "split"], "y", "own.csv")
    ['width', 'height']
    """
    found = [name for name in names if name not in (label, *NO_INPUTS)]
    require(found, f"{where} has no column but the label '{label}': add columns with inputs")
    return found


def stacked_columns(columns: dict[str, Any], where: str, image_size: int | None = None) -> np.ndarray:
    """Returns inputs of a table: one column of images, texts or arrays, or any number of columns of numbers.

    Args:
        columns: values of each column, an array or any other container with `len`.
        where: the file, for error messages.
        image_size: new size of images, see `pathjax.data.images.stacked`.

    Returns:
        Images float32 (n, height, width, channels) in [0, 1], texts as str objects (n,), or numbers (n, ...).

    Raises:
        InputError: for columns of different kinds, missing values, or rows of different shapes.

    >>> stacked_columns({"width": np.array([1, 3]), "height": np.array([2.5, 4])}, "own.csv").tolist()
    [[1.0, 2.5], [3.0, 4.0]]
    """
    kinds = {name: _kind(values[0]) for name, values in columns.items()}
    others = [name for name, kind in kinds.items() if kind != "number"]
    if not others:
        return np.stack([_numbers(values, f"{where}, column '{name}'") for name, values in columns.items()], axis=1)
    name = others[0]
    several = f"{where} has a column '{name}' of {kinds[name]}s beside {', '.join(n for n in columns if n != name)}"
    require(len(columns) == 1, f"{several}: keep that column alone, or columns of numbers only")
    if kinds[name] == "image":
        return stacked((_pixels(value) for value in columns[name]), len(columns[name]), image_size)
    if kinds[name] == "text":
        texts = list(columns[name])
        first = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
        require(first is None, f"{where}, column '{name}' has no text in row {first}: fill or drop such rows")
        return np.array(texts, object)
    return _same_shape(columns[name], f"{where}, column '{name}'")


def _kind(value: Any) -> str:
    if hasattr(value, "getbands") or (isinstance(value, dict) and "bytes" in value):
        return "image"
    if isinstance(value, str):
        return "text"
    return "array" if isinstance(value, list | tuple | np.ndarray) else "number"


def _pixels(value: Any) -> np.ndarray:
    """Returns the pixels of an image of Pillow, or of the bytes of an image file, uint8 (height, width, channels)."""
    import PIL.Image

    image = PIL.Image.open(io.BytesIO(value["bytes"])) if isinstance(value, dict) else value
    is_deep = image.mode.startswith(("I", "F"))
    require(not is_deep, f"an image has the mode {image.mode}, more than 8 bits: convert it to bytes, or save as .npz")
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _numbers(values: Any, where: str) -> np.ndarray:
    try:
        numbers = np.asarray(values).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} has values that are no numbers ({' '.join(str(error).split())[:80]})") from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    require(len(bad) == 0, f"{where} has no finite number in row {bad[:1].sum()}: fill or drop such rows")
    return numbers


def _same_shape(values: Any, where: str) -> np.ndarray:
    def nested(value: Any) -> Any:  # Parquet's lists of lists are arrays of arrays
        return [nested(one) for one in value] if isinstance(value, np.ndarray) and value.dtype == object else value

    def rows() -> Iterator[np.ndarray]:
        return (np.asarray(nested(value)) for value in values)

    shapes = sorted({row.shape for row in rows()})
    require(len(shapes) == 1, f"{where} has rows of shapes {shapes[0]} and {shapes[-1]}: give the same shape")
    return np.stack(list(rows()))
