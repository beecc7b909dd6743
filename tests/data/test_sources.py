"""Sources read the examples that they are asked for, whatever they read them from, in little memory."""

import os
import pathlib
import re

import grain
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import PIL.Image
import pytest

import pathjax
from helpers.tfds_folders import write_folder
from pathjax.core.sources import is_source
from pathjax.data import ArraySource, RowSource, load_dataset

INPUTS, LABELS = np.random.default_rng(0).random((50, 3)).astype(np.float32), np.arange(50) % 4
PLACES = np.array([7, 3, 3, 49])


def check(source):
    assert is_source(source) and len(source) == 50
    inputs, labels = source.take(PLACES)
    np.testing.assert_array_equal(inputs, INPUTS[PLACES])
    np.testing.assert_array_equal(labels, LABELS[PLACES])


def test_arrays_in_memory_and_in_files_are_read_alike(tmp_path):
    np.save(tmp_path / "inputs.npy", INPUTS)
    check(ArraySource((INPUTS, LABELS)))
    check(ArraySource((np.load(tmp_path / "inputs.npy", mmap_mode="r"), LABELS)))


@pytest.mark.parametrize("part", [slice(10, None), slice(3, 40, 2), (slice(None), slice(1, 3)), slice(None, None, -1)])
@pytest.mark.parametrize("dtype", [">f8", np.uint8])
def test_parts_of_mapped_files_are_read_as_numpy_does(tmp_path, part, dtype):
    (10 * INPUTS).astype(dtype).tofile(tmp_path / "inputs")
    whole = np.memmap(tmp_path / "inputs", dtype, "r", offset=3 * np.dtype(dtype).itemsize, shape=(49, 3))
    mapped = whole[part]
    places = np.array([0, 5, -1, 5])
    found = ArraySource((mapped,)).take(places)[0]
    np.testing.assert_array_equal(found, np.array(mapped)[places])
    assert found.dtype == mapped.dtype


def test_changes_of_an_array_that_are_not_in_its_file_are_read(tmp_path):
    np.save(tmp_path / "inputs.npy", INPUTS)
    for mode, factor in (("c", 3), ("r+", 3), ("r", 3)):
        mapped = np.load(tmp_path / "inputs.npy", mmap_mode=mode)
        if mode != "r":
            mapped[:] = factor * INPUTS
        source = ArraySource((mapped,))
        for _ in range(2):
            np.testing.assert_array_equal(source.take(PLACES)[0], factor * INPUTS[PLACES])


def test_what_is_indexed_like_an_array_is_read_though_a_chunk_spans_an_epoch(tmp_path):
    with h5py.File(tmp_path / "inputs.h5", "w") as file:
        source = ArraySource((file.create_dataset("x", data=INPUTS), file.create_dataset("y", data=LABELS)))
        batches = pathjax.batch_schedule(jax.random.key(0), 50, 20, num_steps=4)  # two epochs
        dynamics = pathjax.training_dynamics(lambda w, x: jnp.mean((x[0] @ w) ** 2), optax.sgd(0.1))
        start = pathjax.independent_ensemble(dynamics, jnp.ones((1, 3)))
        parts = (batches, [pathjax.observables.weight_norm()], pathjax.RolloutOptions(chunk_length=2))
        norms = [
            pathjax.rollout(dynamics, start, data, *parts).records["weight_norm"] for data in (source, (INPUTS, LABELS))
        ]
    np.testing.assert_array_equal(*norms)


def test_arrays_of_other_lengths_and_files_that_were_truncated_are_one_line(tmp_path):
    with pytest.raises(pathjax.InputError, match="arrays of a source must have the same length, not 49 and 50"):
        ArraySource((INPUTS, LABELS[:-1]))
    for given in (INPUTS, (), ([1, 2],)):
        with pytest.raises(pathjax.InputError, match="arrays of a source must be a tuple of arrays"):
            ArraySource(given)
    np.save(tmp_path / "inputs.npy", INPUTS)
    source = ArraySource((np.load(tmp_path / "inputs.npy", mmap_mode="r"),))
    os.truncate(tmp_path / "inputs.npy", 400)
    with pytest.raises(pathjax.InputError, match="inputs.npy ends before row 49: it was truncated"):
        source.take(np.array([0, 49]))


class Rows:
    """Grain's protocol of random access: `len(rows)` and `rows[i]`."""

    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, place):
        return {"x": INPUTS[place], "y": LABELS[place]}


def test_rows_of_grain_are_read_one_by_one():
    convert = lambda row: (row["x"], row["y"])  # noqa: E731
    check(RowSource(Rows(), convert))
    check(RowSource(grain.MapDataset.source(Rows()), convert))
    check(RowSource(grain.MapDataset.source(Rows()).map(convert)))
    as_given = RowSource(Rows()).take(PLACES)  # a dict, as the rows are
    np.testing.assert_array_equal(as_given["x"], INPUTS[PLACES])


@pytest.mark.filterwarnings("ignore")  # TFDS warns about OpenCV and about the files it writes
def test_a_set_of_tensorflow_datasets_stays_in_its_files_with_the_same_digest(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    examples = [(PIL.Image.fromarray(image), i % 10) for i, image in enumerate(pixels)]
    write_folder(tmp_path, "mnist", {"train": examples[:30], "test": examples[30:]})
    held, left = (load_dataset("mnist", str(tmp_path), stream=stream, num_train=20) for stream in (False, True))
    np.testing.assert_array_equal(left.stream.take(np.arange(20))[0], held.train[0])
    np.testing.assert_array_equal(left.stream.take(np.arange(20))[1], held.train[1])
    assert left.origin["sha256"] == held.origin["sha256"] and len(left.train[0]) == 20


@pytest.mark.skipif(not pathlib.Path("/proc/self/smaps").exists(), reason="needs /proc")
def test_a_mapped_file_does_not_fill_the_memory(tmp_path):
    rows = np.lib.format.open_memmap(tmp_path / "inputs.npy", "w+", np.float32, (80_000, 256))  # 78 MiB
    rows[:] = np.arange(80_000)[:, None]
    rows.flush()
    del rows
    source = ArraySource((np.load(tmp_path / "inputs.npy", mmap_mode="r"),))
    found = source.take(np.arange(0, 80_000, 16))[0]
    np.testing.assert_array_equal(found[:, 0], np.arange(0, 80_000, 16))
    mapping = pathlib.Path("/proc/self/smaps").read_text().split("inputs.npy", 1)[1]
    resident = int(re.search(r"Rss:\s+(\d+) kB", mapping)[1])
    assert resident < 8000
