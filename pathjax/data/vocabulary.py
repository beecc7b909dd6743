"""Word-level tokens of texts."""

import collections
import re
from collections.abc import Iterable, Sequence

import numpy as np

from pathjax.core.errors import require
from pathjax.data.size_check import check_fits

PADDING, UNKNOWN = 0, 1
NUM_SPECIAL = 2
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")  # words, which may contain apostrophes, and single punctuation marks


def split_words(text: str) -> list[str]:
    """Splits a text into lowercase words and punctuation marks.

    >>> split_words("It isn't so: NO!")
    ['it', "isn't", 'so', ':', 'no', '!']
    """
    return WORD.findall(text.lower())


def most_frequent(texts: Iterable[str], num: int) -> list[str]:
    """Returns the `num` most frequent words of texts, with ties in alphabetical order.

    >>> most_frequent(["to be or not to be", "be"], 3)
    ['be', 'to', 'not']
    """
    require(num >= 1, f"vocabulary_size={num} is out of range: choose 1 or more")
    counts = collections.Counter(word for text in texts for word in split_words(text))
    return sorted(counts, key=lambda word: (-counts[word], word))[:num]


def tokens_of(texts: Sequence[str] | np.ndarray, words: Sequence[str], max_length: int) -> np.ndarray:
    """Converts texts to tokens int32 (n, max_length): 0 is padding, 1 an unknown word, and 2 the first known word.

    Longer texts are truncated.

    Raises:
        InputError: if max_length is below 1.

    >>> tokens_of(["to be there", "be"], ["be", "to"], 4).tolist()
    [[3, 2, 1, 0], [2, 0, 0, 0]]
    """
    require(max_length >= 1, f"max_length={max_length} is out of range: choose 1 or more")
    check_fits(f"max_length={max_length}", (len(texts), max_length))
    token = {word: i for i, word in enumerate(words, NUM_SPECIAL)}
    rows = np.full((len(texts), max_length), PADDING, np.int32)
    for row, text in zip(rows, texts, strict=True):
        known = [token.get(word, UNKNOWN) for word in split_words(text)[:max_length]]
        row[: len(known)] = known
    return rows
