"""What arrays of one's own become in a data set: inputs, and labels."""

from collections.abc import Sequence

import numpy as np

from pathjax.core.errors import require
from pathjax.data.images import stacked

MANY, FEW = 20, 5  # integers are hardly classes if there are more than 20, with fewer than 5 examples each


def as_inputs(array: np.ndarray, where: str, image_size: int | None = None, are_tokens: bool = False) -> np.ndarray:
    """Converts inputs: bytes (uint8) of three or four dimensions are images, texts stay, all other numbers are floats.

    Args:
        array: inputs (n, ...).
        where: the file, for error messages.
        image_size: new size of images, see `pathjax.data.images.stacked`.
        are_tokens: whether integers are tokens, since labels are.

    Returns:
        Images float32 (n, height, width, channels) in [0, 1]; texts, str objects (n,); tokens, int32 (n, length); or
        numbers, float32 (n, ...), (n, 1) for one number each.

    Raises:
        InputError: for other types, and for numbers that are not finite.

    >>> as_inputs(np.full((2, 3, 4), 255, np.uint8), "own.npz").shape, as_inputs(np.arange(3), "own.npz").tolist()
    ((2, 3, 4, 1), [[0.0], [1.0], [2.0]])
    """
    if array.dtype.kind in "UT" or array.dtype == object:
        are_texts = array.ndim == 1 and all(isinstance(one, str) for one in array)
        require(are_texts, f"{where} has inputs of type {array.dtype}, shape {array.shape}: expected one text a row")
        return array.astype(object)
    known = f"{where} has inputs of type {array.dtype}: expected numbers or texts"
    require(array.dtype.kind in "biuf", known)
    if are_tokens:
        return _as_tokens(array, f"{where} has inputs")
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        images = array[..., None] if array.ndim == 3 else array
        if image_size is not None:
            return stacked(images, len(images), image_size)
        return np.divide(images, np.float32(255), dtype=np.float32)
    are_bytes = f"{where} has inputs of type {array.dtype}, and image_size is for images of bytes (uint8): leave it out"
    require(image_size is None or array.ndim < 3, are_bytes)
    with np.errstate(over="ignore"):
        found = array.astype(np.float32) if array.ndim > 1 else array.astype(np.float32)[:, None]
    beyond = f"{where} has inputs that are NaN, infinite or too large for float32: fill, scale or drop them"
    require(bool(np.isfinite(found).all()), beyond)
    return found


def is_sequences(labels: np.ndarray) -> bool:
    """Returns whether labels are sequences of tokens: integers of two dimensions, but not one-hot.

    >>> is_sequences(np.zeros((5, 7), int)), is_sequences(np.zeros((5, 1), int)), is_sequences(np.eye(3, dtype=int))
    (True, False, False)
    """
    return labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "iu" and not _is_one_hot(labels)


def _is_one_hot(labels: np.ndarray) -> bool:
    """Whether each row has a single 1 among zeros."""
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _from_one_hot(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the classes of one-hot labels; any others unchanged."""
    return [part.argmax(axis=1) for part in parts] if all(map(_is_one_hot, parts)) else list(parts)


def as_labels(parts: tuple[np.ndarray, ...], where: str) -> tuple[list[np.ndarray], list | None]:
    """Converts the labels of all splits.

    Args:
        parts: labels of each split: integers, bools or strings (n,), or one-hot (n, k), which are classes; floats (n,)
            or (n, k), which are targets; or integers (n, length), which are tokens.
        where: the file, for error messages.

    Returns:
        The labels of each split: classes int32 (n,), numbered in the order of their labels; targets float32 (n, k); or
        tokens int32 (n, length). And the label of each class, None for targets and tokens.

    Raises:
        InputError: for labels of other types, missing ones, a single class, or integers that are hardly classes: more
            than 20, with fewer than 5 examples each.

    >>> as_labels((np.array(["dog", "cat", "dog"]), np.array(["cat"])), "own.csv")
    ([array([1, 0, 1], dtype=int32), array([0], dtype=int32)], ['cat', 'dog'])
    """
    parts = tuple(_from_one_hot(parts))
    if all(map(is_sequences, parts)):
        return [_as_tokens(part, f"{where} has labels") for part in parts], None
    flat = [part[:, 0] if part.ndim == 2 and part.shape[1] == 1 else part for part in parts]
    if all(part.dtype.kind == "f" and part.ndim in (1, 2) for part in flat):
        targets = [part.astype(np.float32).reshape(len(part), -1) for part in flat]
        finite = all(bool(np.isfinite(part).all()) for part in targets)
        require(finite, f"{where} has labels that are NaN or infinite: fill or drop such rows")
        require(len({part.shape[1] for part in targets}) == 1, f"{where} has other numbers of targets in each split")
        return targets, None
    flat = [np.array([str(one) for one in part]) if _are_texts(part) else part for part in flat]
    kinds = {part.dtype.kind for part in flat}
    types = " and ".join(sorted({str(part.dtype) for part in parts}))
    expected = "expected integers or texts, one for each example, or floats (pandas reads NA, None and '' as missing)"
    are_classes = all(part.ndim == 1 for part in flat) and (kinds <= set("biu") or kinds == {"U"})
    require(are_classes, f"{where} has labels of type {types}: {expected}")
    joined = np.concatenate(flat)
    classes, numbers = np.unique(joined, return_inverse=True)
    require(len(classes) > 1, f"{where} has only one class ({classes[0]}): give at least two")
    too_many = joined.dtype.kind in "iu" and len(classes) > max(MANY, len(joined) / FEW)
    many = f"{where} has {len(classes):,} different integers as labels of {len(joined):,} examples"
    require(not too_many, f"{many}: save targets as floats, or classes as texts")
    ends = np.cumsum([len(part) for part in flat])[:-1]
    return [part.astype(np.int32) for part in np.split(numbers, ends)], classes.tolist()


def _are_texts(part: np.ndarray) -> bool:
    return part.dtype.kind in "OT" and all(isinstance(one, str) for one in part)


def _as_tokens(array: np.ndarray, what: str) -> np.ndarray:
    is_there = array.ndim == 2 and array.dtype.kind in "iu" and array.size > 0
    require(is_there, f"{what} of type {array.dtype} and {array.ndim} dimensions beside tokens: give integers of two")
    require(array.min() >= 0 and array.max() < 2**31, f"{what} from {array.min()} to {array.max()}: give 0 or more")
    return array.astype(np.int32)
