"""Addition modulo a prime: a task on which networks first memorize and generalize later."""

import numpy as np

from pathjax.core.errors import require

Part = tuple[np.ndarray, np.ndarray]


def modular_addition(modulus: int = 53, share: float = 0.5, seed: int = 0) -> tuple[Part, Part]:
    """Splits all pairs (a, b) into training and test set; the label is (a + b) mod `modulus`.

    (a, b) and (b, a) are in the same part, so that a symmetric network knows no test pair by heart.

    Args:
        modulus: p, 2 or more.
        share: of the p (p + 1) / 2 unordered pairs, rounded, that are for training, between 0 and 1.
        seed: of the split.

    Returns:
        Training and test set, each tokens int32 (n, 2), a + 1 and b + 1 (0 is padding for a text classifier), and
        labels int32 (n,), in random order.

    Raises:
        InputError: for a value out of range, or a part without examples.

    Source: Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets".

    >>> (tokens, labels), _ = modular_addition(5)
    >>> bool(((tokens - 1).sum(1) % 5 == labels).all())
    True
    """
    require(modulus >= 2, f"modulus={modulus} is out of range: choose 2 or more")
    unordered = modulus * (modulus + 1) // 2
    num = round(share * unordered)
    fits = f"share={share:g} of {unordered} pairs leaves no example to train or to test: choose between 0 and 1"
    require(0 < num < unordered, fits)
    rng = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(modulus), axis=1)[rng.permutation(unordered)]
    return _both_orders(rng, pairs[:num], modulus), _both_orders(rng, pairs[num:], modulus)


def _both_orders(rng: np.random.Generator, pairs: np.ndarray, modulus: int) -> Part:
    swapped = pairs[pairs[:, 0] != pairs[:, 1]][:, ::-1]
    found = rng.permutation(np.concatenate([pairs, swapped])).astype(np.int32)
    return found + 1, (found.sum(1) % modulus).astype(np.int32)
