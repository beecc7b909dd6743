"""Sequences whose second half repeats their first: what follows can be told by looking back, and by nothing else."""

import numpy as np

from pathjax.core.errors import require
from pathjax.data.size_check import check_fits

Part = tuple[np.ndarray, np.ndarray]
NUM_TRAIN, NUM_TEST = 20_000, 1_000


def induction(context: int = 64, vocabulary_size: int | None = None, seed: int = 0) -> tuple[Part, Part]:
    """Tokens, int32 (n, context), and those that follow each of them, int32 (n, context); 20,000 + 1,000
    sequences.

    The first half of a sequence are distinct tokens, drawn at random; the second half are the same again,
    from a random place among them on, and from their beginning after their end. A token of the second half
    has come once before, and what came after it then comes again: no fixed distance back finds it, as the
    random place decides that. What cannot be told is the first half, which token the second begins with,
    and what follows the first half's last token. See `induction_targets` for where to look.

    Measured: a transformer of two layers of attention alone (4 heads of 16, batches of 64, Adam) begins to
    tell what can be told all at once, by one head: at rate 0.001 between steps 2,000 and 2,250, and with
    context=32 and rate 0.003 between 500 and 750.

    Args:
        context: tokens that a network sees, 2 or more.
        vocabulary_size: how many tokens there are; None: as many as the context.
        seed: of the draws.

    Raises:
        InputError: for a context that is too short, too few tokens for them to be distinct, or more than
            fit into memory.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads" (repeated random tokens).

    >>> [inputs.shape for inputs, labels in induction(context=16)]
    [(20000, 16), (1000, 16)]
    """
    require(context >= 2, f"context={context} is too short to repeat anything: choose 2 or more")
    vocabulary_size = context if vocabulary_size is None else vocabulary_size
    half = context // 2 + 1
    few = f"vocabulary_size={vocabulary_size} is too small for a context of {context}: choose {half} or more"
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
    """The place that an induction head attends to from each place, int32 (n, context); -1 where there is
    none.

    It is the place after the last earlier occurrence of the token there, if that holds the token which
    follows. An induction score is the mean attention from places with a target to their targets.

    Args:
        inputs: tokens (n, context), from 0 on.
        labels: the tokens that follow each of them (n, context).

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
        good = (earlier >= 0) & (inputs[rows, earlier + 1] == labels[:, place])
        targets[:, place] = np.where(good, earlier + 1, -1)
        last[rows, token] = place
    return targets


def repeated(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where the next token can be told by induction: bool (n, context). See `induction_targets`.

    >>> tokens = np.array([[5, 1, 2, 7, 1, 2, 3]])
    >>> repeated(tokens[:, :-1], tokens[:, 1:]).sum()
    np.int64(1)
    """
    return induction_targets(inputs, labels) >= 0
