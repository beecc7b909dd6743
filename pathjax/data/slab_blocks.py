"""Data whose every input predicts the class, by a line or by slabs: which of them does a network use?"""

from collections.abc import Sequence

import numpy as np

from pathjax.core.errors import require

Part = tuple[np.ndarray, np.ndarray]
# The slabs of a class, numbered from the middle one, and the probability of each pair: class -> {number: probability}.
SLABS = {
    5: ({0: 3 / 4, 2: 1 / 4}, {1: 1.0}),
    7: ({0: 1 / 2, 2: 1 / 2}, {1: 7 / 8, 3: 1 / 8}),
}
LINEAR = 1


def slab_blocks(
    blocks: Sequence[int], num_train: int, num_test: int, *, noise: float = 0.0, margin: float = 0.1, seed: int = 0
) -> tuple[Part, Part]:
    """Draws two classes that each input predicts by itself, independently of the others given the class.

    A linear block is (2 y - 1) uniform(margin, 1). A block of k slabs divides [-1, 1] into k slabs of width
    (2 - 2 (k - 1) margin) / k with gaps of 2 margin, whose classes alternate; the middle one is of class 0. In a share
    `noise` of the examples the linear block is uniform(-margin, margin), and tells nothing.

    Args:
        blocks: the kind of each input: 1 (linear), 5 or 7 (slabs).
        num_train, num_test: numbers of examples.
        noise: 0 to 1.
        margin: more than 0, at most 0.15.
        seed: of the draws.

    Returns:
        Training and test set, each inputs float32 (n, blocks) and classes int32 (n,).

    Raises:
        InputError: for a value out of range.

    Source: Shah et al. 2020, "The Pitfalls of Simplicity Bias in Neural Networks" (their code draws them in this way,
    and then rotates all inputs, which plain networks with normal weights do not notice).

    >>> (inputs, labels), _ = slab_blocks([1, 5, 5], 100, 10)
    >>> inputs.shape, bool(((inputs[:, 0] > 0) == (labels == 1)).all())
    ((100, 3), True)
    """
    for kind in blocks:
        require(kind in (LINEAR, *SLABS), f"blocks has {kind}: choose 1 (linear), 5 or 7 (slabs)")
    require(len(blocks) > 0 and min(num_train, num_test) > 0, "give at least one block, and examples of both parts")
    require(0 <= noise <= 1, f"noise={noise:g} is out of range: choose 0 to 1")
    require(0 < margin <= 0.15, f"margin={margin:g} is out of range: choose more than 0, at most 0.15")
    rng = np.random.default_rng(seed)
    num = num_train + num_test
    labels = rng.permutation(np.arange(num) % 2)
    columns = [
        _linear(rng, labels, noise, margin) if kind == LINEAR else _slabs(rng, labels, kind, margin) for kind in blocks
    ]
    inputs, classes = np.stack(columns, axis=1).astype(np.float32), labels.astype(np.int32)
    return (inputs[:num_train], classes[:num_train]), (inputs[num_train:], classes[num_train:])


def _linear(rng: np.random.Generator, labels: np.ndarray, noise: float, margin: float) -> np.ndarray:
    found = (2 * labels - 1) * rng.uniform(margin, 1, len(labels))
    spoiled = rng.choice(len(labels), round(noise * len(labels)), replace=False)
    found[spoiled] = rng.uniform(-margin, margin, len(spoiled))
    return found


def _slabs(rng: np.random.Generator, labels: np.ndarray, num_slabs: int, margin: float) -> np.ndarray:
    width = (2 - 2 * (num_slabs - 1) * margin) / num_slabs
    found = np.empty(len(labels))
    for label, shares in enumerate(SLABS[num_slabs]):
        at = np.flatnonzero(labels == label)
        number = rng.choice(list(shares), len(at), p=list(shares.values()))
        center = number * (width + 2 * margin) * rng.choice([-1, 1], len(at))
        found[at] = center + width * rng.uniform(-0.5, 0.5, len(at))
    return found


def randomized(part: Part, inputs: Sequence[int], seed: int = 0) -> Part:
    """Returns a part in which some inputs are permuted over examples, together, so that they tell nothing of the class.

    >>> (images, labels), _ = slab_blocks([1, 5], 100, 10)
    >>> found, _ = randomized((images, labels), [1])
    >>> bool((found[:, 0] == images[:, 0]).all()), bool((np.sort(found[:, 1]) == np.sort(images[:, 1])).all())
    (True, True)
    """
    found = part[0].copy()
    order = np.random.default_rng(seed).permutation(len(found))
    chosen = list(inputs)
    found[:, chosen] = found[order][:, chosen]
    return found, part[1]
