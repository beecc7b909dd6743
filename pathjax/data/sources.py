"""Sources of examples for data that do not fit into memory; a rollout takes one in place of arrays."""

import mmap
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from pathjax.core.errors import require
from pathjax.core.sources import aligned_empty

NUM_IN_MEMORY = 1000  # examples of a streamed training set, for shapes and the like


class ArraySource:
    """Reads examples from arrays with the examples on the leading axis, such as memory-mapped files.

    Rows of memory-mapped files are read from the file, so that a process that goes through a large file stays small.

    Args:
        arrays: arrays of the same length, such as `(np.load("images.npy", mmap_mode="r"), labels)`.
        convert: turns what is read, a tuple of arrays, into what the loss takes; None: nothing to convert.

    >>> source = ArraySource((np.arange(10), np.arange(10) % 2), lambda read: (read[0] / 10, read[1]))
    >>> len(source), source.take(np.array([3, 1]))
    (10, (array([0.3, 0.1]), array([1, 1])))
    """

    def __init__(self, arrays: Sequence[np.ndarray], convert: Callable[[tuple], Any] | None = None):
        are_arrays = isinstance(arrays, tuple | list) and all(hasattr(array, "shape") for array in arrays) and arrays
        require(are_arrays, "arrays of a source must be a tuple of arrays, as in ArraySource((inputs, labels))")
        lengths = sorted({len(array) for array in arrays})
        require(
            len(lengths) == 1, f"arrays of a source must have the same length, not {' and '.join(map(str, lengths))}"
        )
        self.arrays, self.convert = tuple(arrays), convert

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __repr__(self) -> str:
        return f"ArraySource of {len(self):,} examples"

    def take(self, indices: np.ndarray) -> Any:
        """Returns the examples at these indices."""
        read = tuple(_rows(array, indices) for array in self.arrays)
        if self.convert is not None:
            return self.convert(read)
        for array, rows in zip(self.arrays, read, strict=True):
            if isinstance(array, np.memmap):
                rows.flags.writeable = False  # nobody else has them, so that a rollout may use them in place
        return read


class RowSource:
    """Reads examples one by one from a container with `len(rows)` and `rows[i]`, or `rows.__getitems__(indices)`.

    Such containers are the data sources of TensorFlow Datasets and Grain, Grain's maps, and Hugging Face data sets.

    Args:
        rows: the container.
        convert: turns a row into an example, a pytree of arrays or numbers, such as (input, label); None: nothing to
            convert.

    >>> rows = [{"image": np.full(2, i), "label": i % 2} for i in range(10)]
    >>> RowSource(rows, lambda row: (row["image"], row["label"])).take(np.array([3, 1]))
    (array([[3, 3],
           [1, 1]]), array([1, 1]))
    """

    def __init__(self, rows: Any, convert: Callable[[Any], Any] | None = None):
        self.rows, self.convert = rows, convert or (lambda row: row)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"RowSource of {len(self):,} examples"

    def take(self, indices: np.ndarray) -> Any:
        """Returns the examples at these indices, stacked."""
        wanted = [int(i) for i in indices]
        rows = self.rows.__getitems__(wanted) if hasattr(self.rows, "__getitems__") else (self.rows[i] for i in wanted)
        return jax.tree.map(lambda *leaves: np.stack(leaves), *map(self.convert, rows))


class TableSource:
    """Reads rows of a table by `table[list of indices]`, which gives a dict of columns, as in Hugging Face's datasets.

    >>> class Table(list):
    ...     def __getitem__(self, places):
    ...         return {"x": [10 * i for i in places]}
    >>> TableSource(Table(range(5)), lambda columns, rows: np.array(columns["x"])).take(np.array([3, 1]))
    array([30, 10])
    """

    def __init__(self, table: Any, convert: Callable[[dict, np.ndarray], Any]):
        self.table, self.convert = table, convert

    def __len__(self) -> int:
        return len(self.table)

    def take(self, indices: np.ndarray) -> Any:
        """Returns the rows at these indices, converted."""
        return self.convert(self.table[indices.tolist()], indices)


class Labeled:
    """Pairs of inputs, which a source reads, and labels, which are in memory.

    >>> inputs = ArraySource((np.arange(10),), lambda read: read[0])
    >>> Labeled(inputs, np.arange(10) % 2).take(np.array([3, 4]))
    (array([3, 4]), array([1, 0]))
    """

    def __init__(self, inputs: Any, labels: np.ndarray):
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> tuple[Any, np.ndarray]:
        """Returns the inputs and labels at these indices."""
        return self.inputs.take(indices), self.labels[indices]


class Subset:
    """Some of the examples of a source, in the order of `places`.

    >>> Subset(ArraySource((np.arange(10),)), np.array([7, 8, 9])).take(np.array([1]))
    (array([8]),)
    """

    def __init__(self, source: Any, places: np.ndarray):
        self.source, self.places = source, places

    def __len__(self) -> int:
        return len(self.places)

    def take(self, indices: np.ndarray) -> Any:
        """Returns the examples at these indices of the subset."""
        return self.source.take(self.places[indices])


def _rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Returns rows of an array; those of a mapped file are read from it.

    Reading takes a quarter of the time of copying them from the mapping, for which the system maps many pages around
    each row, and a process that goes through a large file stays small.
    """
    if isinstance(array, np.memmap) and array.filename is not None and _is_as_in_file(array):
        return _read_rows(array, array.filename, np.arange(len(array))[indices])  # as NumPy counts: -1 is the last
    return np.asarray(array[indices])


def _is_as_in_file(array: np.memmap) -> bool:
    """Whether rows lie in the file one after the other, as they are: changes of arrays of mode "c" are not in it."""
    return array.mode in ("r", "r+") and array.flags.c_contiguous and array.ndim > 1


def _read_rows(array: np.memmap, path: str, places: np.ndarray) -> np.ndarray:
    """Reads rows of a mapped file that lie one after the other."""
    found = aligned_empty((len(places), *array.shape[1:]), array.dtype)
    num_bytes, begin = array.strides[0], _place_in_file(array)
    into = found.reshape(-1).view(np.uint8).data
    with open(path, "rb", buffering=0) as file:
        for i, place in enumerate(places.tolist()):
            row = into[i * num_bytes : (i + 1) * num_bytes]
            read = os.preadv(file.fileno(), [row], begin + place * num_bytes)
            require(read == num_bytes, f"{path} ends before row {place}: it was truncated")
    return found


def _place_in_file(array: np.memmap) -> int:
    """Returns the byte of the file at which the array begins; it may be a slice of what was mapped."""
    mapped: Any = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    address = np.frombuffer(mapped, np.uint8).ctypes.data
    first = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # the mapping begins with a page
    return first + array.ctypes.data - address
