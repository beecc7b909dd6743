"""Rollouts of data that are read chunk by chunk have the bits of those of data in memory."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, schedule
from pathjax.core.sources import is_source
from pathjax.engine.planning import plan_rollout
from pathjax.engine.streaming import read_chunks

obs, inter = pathjax.observables, pathjax.interventions
NUM_EXAMPLES = 32


class Counted:
    """A source of examples that are in memory, which counts what is taken."""

    def __init__(self, examples):
        self.examples, self.taken, self.sizes = jax.tree.map(np.asarray, examples), threading.Semaphore(0), []

    def __len__(self):
        return len(self.examples[1])

    def take(self, indices):
        self.sizes.append(len(indices))
        self.taken.release()
        return jax.tree.map(lambda a: a[indices], self.examples)


@pytest.fixture(scope="module")
def problem():
    key = jax.random.key(0)
    dynamics, params, examples = network(key)
    return dynamics, ensemble(dynamics, params, key), examples


def on_host(batches):
    return batches._replace(indices=np.asarray(batches.indices))


def check_same_bits(problem, batches, members=None, **options):
    dynamics, own, examples = problem
    members = members or own
    source = Counted(examples)
    first, second = (
        pathjax.rollout(
            dynamics, members, data, batches, [obs.weight_distance(every=2)], pathjax.RolloutOptions(**options)
        )
        for data in (examples, source)
    )
    assert (first.records["distance"] > 0).any()
    np.testing.assert_array_equal(first.records["distance"], second.records["distance"])
    jax.tree.map(np.testing.assert_array_equal, first.ensemble.state.params, second.ensemble.state.params)
    return source


@pytest.mark.parametrize("length", [None, 2, 6, 8])
def test_a_source_gives_the_same_bits_in_chunks_of_any_length(problem, length):
    source = check_same_bits(problem, schedule(20, NUM_EXAMPLES, 4), chunk_length=length)
    assert max(source.sizes) == min(NUM_EXAMPLES, 4 * (length or 20))


def test_members_of_several_schedules_and_of_weights_see_the_same(problem):
    dynamics, members, _ = problem
    both = pathjax.stack_schedules([schedule(8, NUM_EXAMPLES, 4, seed=seed) for seed in (1, 2)])
    weighted = both._replace(weights=jnp.linspace(0.5, 1.5, 8 * 2 * 4).reshape(8, 2, 4))
    follows = pathjax.with_schedules(members, np.arange(len(members.members.role)) % 2)
    for one in (both, weighted):
        check_same_bits(problem, one, follows, chunk_length=2)


def test_tiles_see_the_same(problem):
    check_same_bits(problem, schedule(8, NUM_EXAMPLES, 4), chunk_length=4, member_tile=2)


def test_a_resumed_rollout_goes_on_with_the_same_bits(problem):
    dynamics, members, examples = problem
    batches, options = schedule(12, NUM_EXAMPLES, 4), pathjax.RolloutOptions(chunk_length=4)
    parts = (dynamics, members, Counted(examples), batches, [obs.weight_distance(every=2)], options)
    whole = list(pathjax.rollout_chunks(*parts))
    chunks = pathjax.rollout_chunks(*parts)
    stopped = next(chunk for chunk in chunks if chunk.step == 4)
    rest = list(pathjax.rollout_chunks(*parts, resume=(4, jax.tree.map(jnp.copy, stopped.loop))))
    assert [chunk.step for chunk in rest] == [8, 12]
    for chunk, expected in zip(rest, whole[2:], strict=True):
        np.testing.assert_array_equal(chunk.records["distance"], expected.records["distance"])


def test_the_next_chunk_is_read_while_this_one_is_computed(problem):
    source = Counted(problem[2])
    reader = read_chunks(source, on_host(schedule(6, NUM_EXAMPLES, 4)), 0, 2)
    next(reader)
    # Of one example, of the first chunk, and of the second.
    assert all(source.taken.acquire(timeout=10) for _ in range(3))
    assert not source.taken.acquire(timeout=0.1)  # the third waits, so that two are in memory at most
    reader.close()


def test_examples_are_taken_in_the_order_of_their_indices(problem):
    rows = on_host(schedule(6, NUM_EXAMPLES, 4))
    inputs = np.asarray(problem[2][0])
    for streamed, (indices, _) in read_chunks(Counted(problem[2]), rows, 0, 3):
        held = streamed.examples[0]
        assert indices.shape == (3, 4) and len(held) == 12
        places = [np.flatnonzero((inputs == one).all(1))[0] for one in held]
        assert places == sorted(set(places))


@pytest.mark.parametrize(
    "intervention",
    [
        inter.of_example(),
        inter.replace_batch(),
        inter.of_batch(jnp.zeros((1, 4), int)),
        inter.of_schedule(schedule(4, NUM_EXAMPLES, 4)),
    ],
)
def test_interventions_that_draw_from_the_whole_data_set_are_refused(problem, intervention):
    dynamics, members, examples = problem
    dynamics = inter.intervened(dynamics, {"other": intervention})
    grid = pathjax.InterventionGrid(at_steps=[2], epsilons=[0.0], num_seeds=1)
    params = jax.tree.map(lambda a: a[0], members.state.params)
    members = pathjax.intervened_ensemble(jax.random.key(1), dynamics, params, "other", grid)
    with pytest.raises(pathjax.InputError, match=r"has no data set to draw examples from: give arrays, not a Source"):
        pathjax.rollout(dynamics, members, Counted(examples), schedule(4, NUM_EXAMPLES, 4), [])


def test_what_needs_all_examples_refuses_a_source(problem):
    dynamics, members, examples = problem
    source, batches = Counted(examples), schedule(4, NUM_EXAMPLES, 4)
    with pytest.raises(pathjax.InputError, match="the dataset is a Source, and all examples are needed in memory"):
        pathjax.scheduled_step(dynamics, source, batches)
    with pytest.raises(pathjax.InputError, match="'train' is a Source, and all examples are needed in memory"):
        obs.curvature(jax.random.key(0), lambda w, x: 0.0, {"train": source}, every=2)
    for make in (obs.classification, obs.regression):
        for given in (source, (source, examples[1])):
            with pytest.raises(pathjax.InputError, match="the set 'test' is a Source, and all examples are"):
                make(lambda params, x: x, {"test": given})
    state = jax.tree.map(lambda a: a[0], members.state)
    with pytest.raises(pathjax.InputError, match="the dataset is a Source, and all examples are needed in memory"):
        pathjax.sensitivity(dynamics, state, source, batches, wrt="params")


class Faulty(Counted):
    def __init__(self, examples, fault):
        super().__init__(examples)
        self.fault = fault

    def take(self, indices):
        return super().take(indices) if len(indices) == 1 else self.fault(super().take(indices))


def failing(examples):
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            failing,
            r"take\(indices\) of the source, Faulty, failed \(OSError: the disk is gone\): it must return",
        ),
        (lambda examples: [[1, 2], "text"], r"take\(indices\) of the source, Faulty, returned no arrays"),
        (
            lambda examples: (examples[0][:-1], examples[1]),
            r"returned 15 and 16 examples for 16 indices: it must return",
        ),
    ],
)
def test_faults_of_a_source_are_one_line(problem, fault, message):
    dynamics, members, examples = problem
    with pytest.raises(pathjax.InputError, match=message) as caught:
        pathjax.rollout(dynamics, members, Faulty(examples, fault), schedule(4, NUM_EXAMPLES, 4), [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x.astype(np.float16), y), r"returned \(float16\[5\], int32\[\]\), and \(float32"),
        (lambda x, y: (x, y, y), r"returned \(float32\[5\], int32\[\], int32\[\]\), and \(float32"),
        (lambda x, y: (x[:, :4], y), r"returned \(float32\[4\], int32\[\]\), and \(float32\[5\], int32\[\]\) at first"),
    ],
    ids=["type", "structure", "shape"],
)
def test_a_source_that_changes_later_is_refused(problem, change, message):
    class Changing(Counted):
        def take(self, indices):
            found = super().take(indices)
            return change(*found) if len(self.sizes) > 6 else found

    dynamics, members, examples = problem
    options = pathjax.RolloutOptions(chunk_length=2)
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.rollout(dynamics, members, Changing(examples), schedule(20, NUM_EXAMPLES, 4), [], options)


class NoLength:
    def take(self, indices):
        return indices


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"x": [1.0] * 32}), r"take\(indices\) of the source, DataFrame, (failed|returned)"),
        ((pd.DataFrame({"x": [1.0]}), pd.Series([1])), "the data set has a leaf of type DataFrame: give a pytree of"),
        ([[1.0, 2.0]], "the data set has a leaf of type float: give a pytree of NumPy or JAX"),
        ((np.array(["a"] * 32), np.zeros(32)), "the data set has an array of type <U1: give numbers"),
        (NoLength(), "the data set has a leaf of type NoLength: give a pytree of"),
        (Counted, "the data set has a leaf of type Counted: give a pytree of"),
        (Counted((np.zeros((0, 5)), np.zeros(0, int))), "the source, Counted, has no examples: give a pytree of"),
    ],
    ids=["frame", "frames", "lists", "texts", "no length", "class", "empty"],
)
def test_what_is_neither_arrays_nor_a_source_is_refused_in_one_line(problem, data, message):
    with pytest.raises(pathjax.InputError, match=message) as caught:
        pathjax.rollout(*problem[:2], data, schedule(4, NUM_EXAMPLES, 4), [])
    assert "\n" not in str(caught.value)


def test_arrays_of_the_other_byte_order_give_the_same_bits(problem):
    dynamics, members, examples = problem
    foreign = jax.tree.map(lambda a: np.asarray(a).astype(np.dtype(a.dtype).newbyteorder(">")), examples)
    batches, records = schedule(8, NUM_EXAMPLES, 4), []
    for data in (examples, foreign, Counted(foreign)):
        records.append(pathjax.rollout(dynamics, members, data, batches, [obs.weight_distance()]).records["distance"])
    np.testing.assert_array_equal(records[0], records[1])
    np.testing.assert_array_equal(records[0], records[2])


def test_a_schedule_beyond_the_source_is_refused(problem):
    dynamics, members, examples = problem
    with pytest.raises(pathjax.InputError, match="the schedule has index .*, but there are 32 examples"):
        pathjax.rollout(dynamics, members, Counted(examples), schedule(20, 40, 4), [])


class Large:
    """A source of a million images of a megabyte, which a rollout only plans."""

    def __len__(self):
        return 10**6

    def take(self, indices):
        return np.zeros((len(indices), 2**18), np.float32)


def test_chunks_are_so_short_that_their_examples_fit():
    key = jax.random.key(0)
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.mean((x[:, :10] @ w) ** 2), optax.sgd(0.1))
    members = pathjax.perturbed_ensemble(key, dynamics, jnp.ones(10), pathjax.on_sphere(), epsilons=[0.1], num_seeds=1)
    batches = schedule(1000, 10**6, 8)

    def planned(every, **options):
        given = pathjax.RolloutOptions(memory_bytes=2**30, **options)
        return plan_rollout(dynamics, members, Large(), batches, [obs.weight_distance(every=every)], given)

    # A step has 8 MiB of examples, and an eighth of 1 GiB may be held: 16 steps.
    assert planned(1).chunk_length == 16 and planned(5).chunk_length == 15
    assert planned(1).num_bytes < 2**30
    with pytest.raises(pathjax.InputError, match=r"need .* bytes .* but 1,073,741,824 \(1 GiB\) are available"):
        planned(200)
    with pytest.raises(pathjax.InputError, match=r"need .* bytes .* but 1,073,741,824 \(1 GiB\) are available"):
        planned(1, chunk_length=200)


def test_arrays_are_no_sources():
    assert not any(map(is_source, (np.zeros(2), jnp.zeros(2), [np.zeros(2)], {"a": np.zeros(2)}, None)))
    assert is_source(Counted((np.zeros(2), np.zeros(2))))
