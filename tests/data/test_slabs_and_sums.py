"""Slab data as published, and modular addition."""

import numpy as np
import pytest

import pathjax
from pathjax.data import load_dataset
from pathjax.data.modular import modular_addition
from pathjax.data.slab_blocks import randomized, slab_blocks


@pytest.mark.parametrize("kind", [5, 7])
def test_slabs_alternate_with_gaps_and_published_shares(kind):
    margin = 0.1
    (x, y), _ = slab_blocks([kind], 40_000, 10, margin=margin)
    width = (2 - 2 * (kind - 1) * margin) / kind
    number = x[:, 0] / (width + 2 * margin)
    slab = np.round(number).astype(int)
    assert np.abs(number - slab).max() * (width + 2 * margin) <= width / 2 + 1e-5 and np.abs(x).max() <= 1 + 1e-6
    assert ((np.abs(slab) % 2 == 1) == (y == 1)).all() and set(slab) == set(range(-(kind // 2), kind // 2 + 1))
    shares = {5: {0: (0, 3 / 4), 2: (0, 1 / 4)}, 7: {0: (0, 1 / 2), 2: (0, 1 / 2), 1: (1, 7 / 8), 3: (1, 1 / 8)}}[kind]
    for away, (label, share) in shares.items():
        assert abs((np.abs(slab[y == label]) == away).mean() - share) < 0.02
    assert abs(np.corrcoef(x[:, 0], y)[0, 1]) < 0.02  # no line separates them


def test_the_noise_of_the_linear_block_is_exact_and_tells_nothing():
    (x, y), (x_test, _) = slab_blocks([1, 5], 9_000, 1_000, noise=0.1, margin=0.15)
    first = np.concatenate([x, x_test])[:, 0]
    assert (np.abs(first) < 0.15).sum() == 1000
    assert (np.sign(x[:, 0]) == 2 * y - 1)[np.abs(x[:, 0]) >= 0.15].all()
    spoiled = np.abs(x[:, 0]) < 0.15
    assert abs((np.sign(x[spoiled, 0]) == 2 * y[spoiled] - 1).mean() - 0.5) < 0.06


def test_inputs_are_independent_given_the_class():
    (x, y), _ = slab_blocks([1, 5, 7], 20_000, 10)
    for label in (0, 1):
        assert np.abs(np.corrcoef(np.abs(x[y == label]).T) - np.eye(3)).max() < 0.03


def test_randomized_inputs_move_together_and_tell_nothing():
    part, _ = slab_blocks([1, 1, 5], 5_000, 10)
    found, labels = randomized(part, [0, 1])
    assert (labels == part[1]).all() and (found[:, 2] == part[0][:, 2]).all()
    assert (np.sign(found[:, 0]) == np.sign(found[:, 1])).all()  # both of the same example
    assert abs(np.corrcoef(found[:, 0], labels)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slab_blocks([3], 10, 10), "blocks has 3: choose 1"),
        (lambda: slab_blocks([1], 10, 10, margin=0.2), "margin=0.2 is out of range"),
        (lambda: slab_blocks([1], 10, 10, noise=2.0), "noise=2 is out of range"),
        (lambda: modular_addition(1), "modulus=1 is out of range"),
        (lambda: modular_addition(5, share=0.0), "share=0 of 15 pairs leaves no example"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(pathjax.InputError, match=message):
        call()


@pytest.mark.parametrize("modulus", [2, 7, 53])
def test_every_sum_is_in_one_part_with_its_mirror(modulus):
    (x, y), (x_test, y_test) = modular_addition(modulus, 0.4)
    pairs = [set(map(tuple, part.tolist())) for part in (x - 1, x_test - 1)]
    assert len(pairs[0]) + len(pairs[1]) == modulus**2 and not pairs[0] & pairs[1]
    assert all((b, a) in own for own in pairs for a, b in own)
    for tokens, labels in ((x, y), (x_test, y_test)):
        assert ((tokens - 1).sum(1) % modulus == labels).all()


def test_modular_addition_by_name():
    found = load_dataset("modular_addition", num_train=500, seed=3)
    assert found.train[0].shape == (500, 2) and (found.num_classes, found.num_tokens) == (53, 54)
