"""Sequences whose second half repeats the first: the next token can only be predicted by looking back."""

import numpy as np

from pathjax.core.errors import require
from pathjax.data.size_check import check_fits

Part = tuple[np.ndarray, np.ndarray]
NUM_TRAIN, NUM_TEST = 20_000, 1_000


def induction(context: int = 64, vocabulary_size: int | None = None, seed: int = 0) -> tuple[Part, Part]:
    """Draws tokens, int32 (n, context), and the next token of each, int32 (n, context); 20,000 + 1,000 sequences.

    The first half of a sequence consists of distinct random tokens. The second half repeats them cyclically from a
    random position. So each token of the second half occurred once before, and the token that followed it then follows
    again; the random position means that no fixed distance back finds it. Unpredictable are the first half, the first
    token of the second half, and the token after the first half's last token. See `induction_targets` for where to
    look.

    Measured: an attention-only transformer of two layers (4 heads of 16, batches of 64, Adam) learns the predictable
    tokens suddenly, with one head: at rate 0.001 between steps 2,000 and 2,250, and with context=32 and rate 0.003
    between steps 500 and 750.

    Args:
        context: number of tokens that a network sees, 2 or more.
        vocabulary_size: number of tokens; None: equal to the context.
        seed: of the draws.

    Raises:
        InputError: for a context that is too short, a vocabulary that is too small for distinct tokens, or sequences
            that exceed the memory.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads" (repeated random tokens).

    >>> [inputs.shape for inputs, labels in induction(context=16)]
    [(20000, 16), (1000, 16)]
    """
    require(context >= 2, f"context={context} is out of range: choose 2 or more")
    vocabulary_size = context if vocabulary_size is None else vocabulary_size
    half = context // 2 + 1
    few = f"vocabulary_size={vocabulary_size} is too small for context={context}: choose {half} or more"
    require(vocabulary_size >= half, few)
    num = NUM_TRAIN + NUM_TEST
    what = f"{num:,} sequences of context={context} and vocabulary_size={vocabulary_size}"
    check_fits(what, (num, vocabulary_size + context))
    rng = np.random.default_rng(seed)
    known = np.broadcast_to(np.arange(vocabulary_size, dtype=np.int32), (num, vocabulary_size))
    first = rng.permuted(known, axis=1)[:, :half]
    places = (rng.integers(half, size=(num, 1)) + np.arange(context + 1 - half)) % half
    tokens = np.concatenate([first, np.take_along_axis(first, places, axis=1)], axis=1)
    inputs, labels = tokens[:, :-1], tokens[:, 1:]
    return (inputs[:NUM_TRAIN], labels[:NUM_TRAIN]), (inputs[NUM_TRAIN:], labels[NUM_TRAIN:])


def induction_targets(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the position that an induction head attends to from each position, int32 (n, context); -1 if none.

    It is the position after the previous occurrence of the same token, provided that it holds the next token. An
    induction score is the mean attention from positions with a target to their targets.

    Args:
        inputs: nonnegative tokens (n, context).
        labels: the next token of each (n, context).

    >>> tokens = np.array([[5, 1, 2, 7, 1, 2, 3]])
    >>> induction_targets(tokens[:, :-1], tokens[:, 1:]).tolist()
    [[-1, -1, -1, -1, 2, -1]]
    """
    num, context = inputs.shape
    rows = np.arange(num)
    last = np.full((num, int(inputs.max(initial=0)) + 1), -1, np.int32)
    targets = np.full((num, context), -1, np.int32)
    for place in range(context):
        token = inputs[:, place]
        earlier = last[rows, token]
        predicts = (earlier >= 0) & (inputs[rows, earlier + 1] == labels[:, place])
        targets[:, place] = np.where(predicts, earlier + 1, -1)
        last[rows, token] = place
    return targets


def repeated(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns where induction predicts the next token, bool (n, context). See `induction_targets`.

    >>> tokens = np.array([[5, 1, 2, 7, 1, 2, 3]])
    >>> repeated(tokens[:, :-1], tokens[:, 1:]).sum()
    np.int64(1)
    """
    return induction_targets(inputs, labels) >= 0
