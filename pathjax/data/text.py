"""Texts for language models: any UTF-8 file, by characters or bytes."""

from typing import NamedTuple

import numpy as np

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.data.files import decoded, read_bytes

LEVELS = ("character", "byte")


@shown_in_short
class Text(NamedTuple):
    """Windows of a text for training and testing: tokens int32 (n, context), and the next token of each.

    `vocabulary` has the character of each token, or the byte as a Latin-1 character.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    vocabulary: str


def load_text(path: str, level: str = "character", context: int = 64, test_share: float = 0.1) -> Text:
    """Loads windows of a text file, which may be compressed by gzip (.gz); the last part is for testing.

    Windows do not overlap, so each character is a target at most once per epoch.

    Args:
        path: path of the file.
        level: "character" (the vocabulary is the text's characters) or "byte" (256 tokens, the bytes of UTF-8).
        context: number of tokens in a window.
        test_share: fraction of the text for testing.

    Raises:
        InputError: for a file that is missing, not UTF-8, damaged, empty or too short, or a setting that is out of
            range.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "text.txt")
    >>> _ = file.write_text("to be or not to be " * 20)
    >>> text = load_text(str(file), context=8)
    >>> "".join(text.vocabulary[token] for token in text.train[1][0])
    'o be or '
    """
    require(level in LEVELS, f"unknown level '{level}' of a text: choose one of {', '.join(LEVELS)}")
    require(context >= 1, f"context={context} is out of range: choose 1 or more")
    require(0 < test_share < 1, f"test_share {test_share:g} is out of range: choose more than 0 and less than 1")
    characters = decoded(read_bytes(path), path)
    if level == "byte":
        tokens = np.frombuffer(characters.encode(), np.uint8).astype(np.int32)
        vocabulary = bytes(range(256)).decode("latin-1")
    else:
        codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
        known, places = np.unique(codes, return_inverse=True)
        tokens, vocabulary = places.astype(np.int32), "".join(map(chr, known))
    cut = round(len(tokens) * (1 - test_share))
    train, test = (_windows(part, context) for part in (tokens[:cut], tokens[cut:]))
    fits = min(len(train[0]), len(test[0])) > 0
    require(fits, f"{path} has {len(tokens)} {level}s, too few for windows of {context}: choose a smaller context")
    return Text(train, test, vocabulary)


def _windows(tokens: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts tokens into windows, and returns them with their next tokens."""
    num = max(0, (len(tokens) - 1) // context)
    inputs, targets = (tokens[shift : shift + num * context].reshape(num, context) for shift in (0, 1))
    return inputs, targets
