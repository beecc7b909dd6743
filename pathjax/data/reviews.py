"""Labeled texts such as reviews, one JSON object per line."""

import json
from typing import NamedTuple

import numpy as np

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.data.files import decoded, read_bytes
from pathjax.data.preprocessing import held_out

SPLITS = ("train", "test")
KIND = 'a file with an object such as {"text": "Too long.", "label": 0} on each line'


@shown_in_short
class Reviews(NamedTuple):
    """Texts, str objects (n,), and their classes, int32 (n,), for training and testing; and the label of each class."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    labels: tuple[int | str, ...]


def load_reviews(path: str, seed: int = 0) -> Reviews:
    """Loads texts and labels from a .jsonl file, which may be compressed by gzip (.gz).

    Args:
        path: path of a file with a JSON object on each line. Its fields are text, label (an integer or a string) and,
            on all lines or none, split ("train" or "test"). Other fields and empty lines are ignored.
        seed: of the split if the file has none: a tenth is for testing.

    Raises:
        InputError: for a file that is missing, damaged, not UTF-8 or empty; an invalid line, by its number; fewer than
            two classes; or a split without examples.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "reviews.jsonl")
    >>> _ = file.write_text('{"text": "Too long.", "label": "bad"}\\n{"text": "Go!", "label": "good"}\\n' * 10)
    >>> reviews = load_reviews(str(file))
    >>> reviews.labels, len(reviews.train[0]), len(reviews.test[0])
    (('bad', 'good'), 18, 2)
    """
    lines = enumerate(decoded(read_bytes(path, KIND), path).split("\n"), 1)
    rows = [_parsed(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    require(len(rows) > 0, f"{path} has no lines: give {KIND}")
    texts = np.array([text for text, _, _ in rows], object)
    given: list = [label for _, label, _ in rows]
    mixed = f"{path} has both integer and string labels: choose one kind"
    require(len(set(map(type, given))) == 1, mixed)
    labels = tuple(sorted(set(given)))
    require(len(labels) > 1, f"{path} has only one class ({labels[0]!r}): give at least two")
    classes = np.array([labels.index(label) for label in given], np.int32)
    splits = [split for _, _, split in rows]
    is_test = _split(path, splits, seed)
    few = f"{path} has {len(rows)} texts, too few to test on a tenth of them: give more, or a split on each line"
    require(splits[0] is not None or bool(is_test.any()), few)
    for name, num in zip(SPLITS, (int((~is_test).sum()), int(is_test.sum())), strict=True):
        require(num > 0, f"{path} has no texts for split '{name}': give some, or leave out split on all lines")
    train, test = ((texts[which], classes[which]) for which in (~is_test, is_test))
    return Reviews(train, test, labels)


def _parsed(line: str, where: str) -> tuple[str, int | str, str | None]:
    """Returns text, label and split of a line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON ({error}): give {KIND}") from error
    require(isinstance(row, dict), f"{where} is not a JSON object: give {KIND}")
    for name in ("text", "label"):
        require(name in row, f"{where} has no field '{name}': give {KIND}")
    text, label, split = row["text"], row["label"], row.get("split")
    require(isinstance(text, str), f"{where} has a text of type {type(text).__name__}: expected a string")
    is_label = isinstance(label, int | str) and not isinstance(label, bool)
    require(is_label, f"{where} has the label {label!r}: expected an integer or a string")
    require(split in (None, *SPLITS), f"{where} has the split {split!r}: expected 'train' or 'test'")
    return text, label, split


def _split(path: str, splits: list[str | None], seed: int) -> np.ndarray:
    """Returns which texts are for testing, bool (n,)."""
    num = len(splits)
    missing = splits.count(None)
    require(missing in (0, num), f"{path} has no split on {missing} of {num} lines: give it on all lines or none")
    if missing == 0:
        return np.array([split == "test" for split in splits])
    return held_out(num, seed)
