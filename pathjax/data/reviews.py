"""Texts with labels, one on each line of a file as JSON: reviews, for instance."""

import json
from typing import NamedTuple

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.files import decoded, read_bytes

SPLITS = ("train", "test")
TEST_SHARE = 0.1
KIND = 'a file with an object such as {"text": "Too long.", "label": 0} on each line'


class Reviews(NamedTuple):
    """Texts, str objects (n,), and their classes, int32 (n,), for training and for testing; the labels by class."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    labels: tuple[int | str, ...]


def load_reviews(path: str, seed: int = 0) -> Reviews:
    """Texts and labels of a .jsonl file, which may be compressed by gzip (.gz).

    Args:
        path: of a file that holds a JSON object on each line, with the fields text, label (a whole number or
            a word) and, on all lines or on none, split ("train" or "test"). Other fields are passed over,
            and so are empty lines.
        seed: of the split, where the file has none: a tenth is for testing.

    Raises:
        InputError: for a file that is not there, damaged, not UTF-8 or empty, a line that is no such object
            (by its number), a single class, or a split without examples.

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
    mixed = f"{path} has labels that are numbers and labels that are words: choose one kind"
    require(len(set(map(type, given))) == 1, mixed)
    labels = tuple(sorted(set(given)))
    require(len(labels) > 1, f"{path} has one class alone ({labels[0]!r}): two or more are needed to tell apart")
    classes = np.array([labels.index(label) for label in given], np.int32)
    splits = [split for _, _, split in rows]
    is_test = _split(path, splits, seed)
    few = f"{path} has {len(rows)} texts, of which a tenth is none: give more, or a split on each line"
    require(splits[0] is not None or bool(is_test.any()), few)
    for name, num in zip(SPLITS, (int((~is_test).sum()), int(is_test.sum())), strict=True):
        require(num > 0, f"{path} has no texts for split '{name}': give some, or leave out split on all lines")
    train, test = ((texts[which], classes[which]) for which in (~is_test, is_test))
    return Reviews(train, test, labels)


def _parsed(line: str, where: str) -> tuple[str, int | str, str | None]:
    """Text, label and split of a line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON ({error}): {KIND} is expected") from error
    require(isinstance(row, dict), f"{where} is no object: {KIND} is expected")
    for name in ("text", "label"):
        require(name in row, f"{where} has no field '{name}': {KIND} is expected")
    text, label, split = row["text"], row["label"], row.get("split")
    require(isinstance(text, str), f"{where} has a text that is a {type(text).__name__}: a string is expected")
    good = isinstance(label, int | str) and not isinstance(label, bool)
    require(good, f"{where} has the label {label!r}: a whole number or a word is expected")
    require(split in (None, *SPLITS), f"{where} has the split {split!r}: 'train' or 'test' is expected")
    return text, label, split


def _split(path: str, splits: list[str | None], seed: int) -> np.ndarray:
    """Which of the texts are for testing: bool (n,)."""
    num = len(splits)
    missing = splits.count(None)
    require(missing in (0, num), f"{path} has {missing} of {num} lines without split: give it on all lines or on none")
    if missing == 0:
        return np.array([split == "test" for split in splits])
    return np.random.default_rng(seed).permutation(num) < round(num * TEST_SHARE)
