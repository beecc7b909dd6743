"""The examples that each chunk of steps reads: the whole data set, or those that a source gives, read ahead."""

import concurrent.futures
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from pathjax.core import trees
from pathjax.core.calls import call
from pathjax.core.errors import require
from pathjax.core.sources import ALIGNMENT, Source, Streamed, aligned_empty, is_source
from pathjax.core.types import PyTree
from pathjax.training.schedule import Schedule

HINT = "it must return a pytree of arrays, the examples at the indices, in their order"
CACHED, FEW_STEPS = 2**24, 20  # bytes that a CPU reads at a time, unless they are fewer steps
SHARE = 8  # a chunk's examples take at most this part of the memory, if cadences allow


def checked_dataset(dataset: PyTree) -> PyTree:
    """Checks what a rollout is given as its data set; returns it with arrays in the byte order of the machine.

    Raises:
        InputError: if it is neither a pytree of arrays nor a Source.

    >>> checked_dataset((np.zeros(2, ">f4"), np.zeros(2, int)))[0].dtype
    dtype('float32')
    """
    expected = "give a pytree of NumPy or JAX arrays, or a pathjax.Source"
    if is_source(dataset):
        num = call(f"len(source) of the source, {type(dataset).__name__},", expected, len, dataset)
        require(num > 0, f"the source, {type(dataset).__name__}, has no examples: {expected}")
        return dataset
    for leaf in jax.tree.leaves(dataset):
        is_array = isinstance(leaf, np.ndarray | jax.Array)
        what = leaf.__name__ if isinstance(leaf, type) else type(leaf).__name__
        require(is_array, f"the data set has a leaf of type {what}: {expected}")
        is_known = not isinstance(leaf, np.ndarray) or leaf.dtype.kind in "biufcV"
        require(is_known, f"the data set has an array of type {leaf.dtype}: give numbers")
    return jax.tree.map(native, dataset)


def native(array: Any) -> Any:
    """Returns an array in the byte order of the machine, which JAX needs.

    >>> native(np.zeros(2, ">f4")).dtype
    dtype('float32')
    """
    is_foreign = isinstance(array, np.ndarray) and not array.dtype.isnative
    return array.astype(array.dtype.newbyteorder("=")) if is_foreign else array


def rows_of(schedule: Schedule, step: int, length: int) -> tuple:
    """Returns the rows (indices, weights) of a chunk of steps.

    >>> rows_of(Schedule(np.arange(8).reshape(4, 2), None, None), step=1, length=2)[0].tolist()
    [[2, 3], [4, 5]]
    """
    return jax.tree.map(lambda a: a[step : step + length], (schedule.indices, schedule.weights))


def shapes_in_chunk(dataset: PyTree, indices_shape: tuple[int, ...]) -> PyTree:
    """Returns the shapes of what a chunk of steps holds of a data set: all of it, or the examples that it takes.

    Args:
        dataset: a pytree of arrays, or a Source.
        indices_shape: shape of the chunk's rows of the schedule.

    >>> shapes_in_chunk(np.zeros((10, 3)), (5, 2))
    ShapeDtypeStruct(shape=(10, 3), dtype=float32)
    """
    if not is_source(dataset):
        return jax.eval_shape(lambda tree: tree, dataset)
    num = min(math.prod(indices_shape), len(dataset))
    one = jax.eval_shape(lambda tree: tree, _take(dataset, np.zeros(1, np.int64)))
    return Streamed(jax.tree.map(lambda a: jax.ShapeDtypeStruct((num, *a.shape[1:]), a.dtype), one))


def steps_that_fit(dataset: PyTree, indices_shape: tuple[int, ...], available_bytes: int, platform: str) -> int | None:
    """Returns for how many steps a source may be read at a time; None if all examples are in memory.

    They fit into a share of the memory; and on a CPU, where reading displaces what is computed with, nearly into its
    cache, if that is not a few steps only.

    Args:
        dataset: a pytree of arrays, or a Source.
        indices_shape: shape of the schedule's indices.
        available_bytes: the memory of a device.
        platform: "cpu", or of an accelerator.

    >>> steps_that_fit(np.zeros((10, 3)), (5, 2), 2**30, "cpu") is None
    True
    """
    if not is_source(dataset):
        return None
    of_a_step = max(1, trees.num_bytes(shapes_in_chunk(dataset, indices_shape[1:])))
    most = max(1, available_bytes // SHARE // of_a_step)
    return min(most, max(FEW_STEPS, CACHED // of_a_step)) if platform == "cpu" else most


def read_chunks(
    dataset: PyTree, schedule: Schedule, step: int, length: int, place: Callable[[PyTree], PyTree] = lambda tree: tree
) -> Iterator[tuple[PyTree, tuple]]:
    """Yields the examples and the rows (indices into them, weights) of each chunk of steps.

    A thread reads the examples of the next chunk from a Source while the caller computes with these.

    Args:
        dataset: a pytree of arrays, which every chunk has as a whole, or a Source.
        schedule: T steps, on the host.
        step: the first step.
        length: steps of each chunk but the last.
        place: puts what was read on its devices; in the same thread.

    Returns:
        An iterator of (examples, rows).

    Raises:
        InputError: if the source fails, or gives something else than the examples.

    >>> schedule = Schedule(np.arange(4).reshape(2, 2), None, None)
    >>> [rows[0].tolist() for _, rows in read_chunks(np.zeros(4), schedule, 0, 1)]
    [[[0, 1]], [[2, 3]]]
    """
    parts = [rows_of(schedule, first, length) for first in range(step, len(schedule.indices), length)]
    if not is_source(dataset):
        yield from ((dataset, part) for part in parts)
        return
    x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined]  # which a thread does not see
    first = _take(dataset, np.zeros(1, np.int64))

    def read(part):
        with jax.enable_x64(x64):
            examples, rows = _read(dataset, part, first)
            return jax.block_until_ready(place(examples)), rows

    reader = concurrent.futures.ThreadPoolExecutor(1, "pathjax-source")
    try:
        ahead = [reader.submit(read, part) for part in parts[:1]]
        for following in [*parts[1:], None]:
            current = [ahead.pop().result()]
            if following is not None:
                ahead.append(reader.submit(read, following))
            yield current.pop()  # without a reference that would keep it in memory
    finally:
        reader.shutdown(wait=False)  # also at the end of the process, when nothing can be waited for


def _read(source: Source, part: tuple, like: PyTree) -> tuple[Streamed, tuple]:
    """Returns the examples of a chunk, and its rows with indices into these."""
    indices, weights = part
    if indices.size >= len(source):  # a chunk of more than an epoch
        return Streamed(jax.tree.map(_in_place, _take(source, np.arange(len(source)), like))), part
    # Each example once, in the order in which files are read fastest; some sources refuse anything else.
    wanted, places = np.unique(indices, return_inverse=True)
    examples = _take(source, wanted.astype(np.int64), like)
    if wanted.size < indices.size:  # of the size that is compiled, whatever repeats
        rest = np.zeros(indices.size - wanted.size, np.int64)
        examples = jax.tree.map(lambda a: np.concatenate([a, a[rest]]), examples)
    examples = jax.tree.map(_in_place, examples)
    return Streamed(examples), (places.reshape(indices.shape).astype(np.int32), weights)


def _in_place(array: np.ndarray) -> np.ndarray:
    """Returns an array that devices of a CPU can use in place; a source may write to its own again."""
    if not array.flags.writeable and array.ctypes.data % ALIGNMENT == 0:
        return array
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def _take(source: Source, indices: Int[np.ndarray, " n"], like: PyTree = None) -> PyTree:
    """Returns examples of a source on the host; with `like`, of the same structure, shapes and types as those."""
    what = f"take(indices) of the source, {type(source).__name__},"
    examples = call(what, HINT, source.take, indices)
    leaves = jax.tree.leaves(examples)
    are_arrays = all(isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves)
    require(leaves and are_arrays, f"{what} returned no arrays: {HINT}")
    lengths = sorted({leaf.shape[0] if leaf.shape else 0 for leaf in leaves})
    found = f"returned {' and '.join(map(str, lengths))} examples for {len(indices)} indices"
    require(lengths == [len(indices)], f"{what} {found}: {HINT}")
    examples = jax.tree.map(native, jax.tree.map(np.asarray, examples))
    if like is not None:
        now, before = (_described(tree) for tree in (examples, like))
        require(now == before, f"{what} returned {now}, and {before} at first: return the same structure and types")
    return examples


def _described(examples: PyTree) -> str:
    """Describes examples by the shapes and types of one, and their structure."""
    one = jax.tree.map(lambda a: f"{a.dtype}{list(a.shape[1:])}", examples)
    return " ".join(str(one).replace("'", "").split())
