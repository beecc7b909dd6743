import jax
import numpy as np
import pytest

import pathjax


def test_an_epoch_shows_every_example_once(key):
    epochs = np.asarray(pathjax.batch_schedule(key, 12, 3, num_epochs=4).indices).reshape(4, 12)
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_leftover_examples_are_dropped_and_steps_may_end_inside_an_epoch(key):
    indices = np.asarray(pathjax.batch_schedule(key, 10, 4, num_steps=5).indices)
    assert indices.shape == (5, 4) and indices.dtype == np.int32
    assert len(set(indices[:2].ravel())) == 8


def test_a_longer_schedule_starts_with_the_shorter_schedule(key):
    short, long = (pathjax.batch_schedule(key, 10, 4, num_steps=n).indices for n in (3, 30))
    np.testing.assert_array_equal(short, long[:3])
    other = pathjax.batch_schedule(jax.random.key(1), 10, 4, num_steps=3).indices
    assert not np.array_equal(short, other)


@pytest.mark.parametrize(
    ("batch_size", "length", "message"),
    [
        (11, {"num_epochs": 1}, "batch size 11 does not fit 10 examples"),
        (0, {"num_epochs": 1}, "batch size 0"),
        (5, {"num_steps": 0}, "a schedule of 0 steps is empty"),
        (5, {}, "either num_epochs or num_steps"),
        (5, {"num_epochs": 1, "num_steps": 1}, "either num_epochs or num_steps"),
    ],
)
def test_bad_schedules_are_rejected(key, batch_size, length, message):
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.batch_schedule(key, 10, batch_size, **length)
