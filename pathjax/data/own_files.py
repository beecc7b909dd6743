"""Data sets of one's own files: .npz, .npy, CSV, Parquet, and Hugging Face data sets saved to disk."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pathjax.core.errors import require
from pathjax.data.columns import input_columns, label_column, stacked_columns
from pathjax.data.images import check_same
from pathjax.data.npy import map_npy, read_npz
from pathjax.data.own_arrays import as_inputs, as_labels, is_sequences
from pathjax.data.preprocessing import held_out
from pathjax.data.sources import NUM_IN_MEMORY, ArraySource, Labeled, Subset, TableSource
from pathjax.data.tables import SPLITS, open_saved, read_csv, read_parquet
from pathjax.data.types import Dataset, Options

ARRAYS: dict[str, Callable] = {"npz": read_npz, "npy": map_npy}
TABLES: dict[str, Callable] = {"csv": read_csv, "parquet": read_parquet, "huggingface": open_saved}
OWN_FILES = (*ARRAYS, *TABLES)
STREAMED = ("npy", "huggingface")


class Part(NamedTuple):
    """A split as it is in files: a source of its inputs, its labels, and the column that divides it, if it has one."""

    inputs: Any
    labels: np.ndarray
    splits: np.ndarray | None


def load_own_files(name: str, data_dir: str, options: Options) -> Dataset:
    """Reads a data set of one's own files.

    `pathjax.data.own_arrays` says what inputs and labels become. Files without splits are divided: a tenth is for
    testing.

    Args:
        name: "npz", "npy", "csv", "parquet" or "huggingface".
        data_dir: the file or folder.
        options: `label`, `image_size`, `stream`, and `seed`, of the division.

    Returns:
        A Dataset; with `stream`, its training set is read from the files when it is needed.

    Raises:
        InputError: for files that cannot be read, or whose values do not make a data set.

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "own.npz")
    >>> np.savez(path, inputs=np.zeros((20, 3)), labels=np.arange(20) % 4)
    >>> dataset = load_own_files("npz", str(path), Options())
    >>> dataset.train[0].shape, dataset.test[0].shape, dataset.num_classes
    ((18, 3), (2, 3), 4)
    """
    where = str(data_dir)
    _check_options(name, options)
    parts = _of_arrays(name, where, options) if name in ARRAYS else _of_tables(name, where, options)
    train, test = _divided(parts["all"], options.seed, where) if "all" in parts else (parts["train"], parts["test"])
    labels, classes = as_labels((train.labels, test.labels), where)
    source, tested = Labeled(train.inputs, labels[0]), Labeled(test.inputs, labels[1]).take(np.arange(len(labels[1])))
    origin: dict = {"source": "file", "files": [pathlib.Path(where).name], "seed": options.seed}
    origin |= {} if classes is None else {"labels": classes}
    are_tokens = is_sequences(labels[0])
    whole = f"{where} has texts or tokens, which are read as a whole: leave stream False"
    require(tested[0].dtype == np.float32 or not options.stream, whole)
    trained = source.take(np.arange(min(len(source), NUM_IN_MEMORY) if options.stream else len(source)))
    _check_shapes(trained, tested, are_tokens, where)
    if are_tokens:
        num_tokens = 1 + max(int(array.max()) for array in (*trained, *tested))
        return Dataset(trained, tested, num_tokens, num_tokens, origin)
    num_outputs = labels[0].shape[1] if classes is None else len(classes)
    return Dataset(trained, tested, num_outputs, None, origin, stream=source if options.stream else None)


def _check_options(name: str, options: Options) -> None:
    can_stream = not options.stream or name in STREAMED
    require(can_stream, f"'{name}' is read as a whole: leave stream False, or save as {' or '.join(STREAMED)}")
    is_table = options.label is None or name in TABLES
    require(is_table, f"label is the name of a column, and '{name}' has arrays: leave it out")


def _check_shapes(train: tuple, test: tuple, are_tokens: bool, where: str) -> None:
    """Checks that both splits have the same inputs, and tokens as many as their labels."""
    shapes = [part[0].shape[1:] for part in (train, test)]
    if len(shapes[0]) == len(shapes[1]) == 3:
        check_same(*shapes)
    same = f"{where} has inputs of shape {shapes[0]} for training and {shapes[1]} for testing: give the same"
    require(shapes[0] == shapes[1], same)
    fits = not are_tokens or all(part[0].shape == part[1].shape for part in (train, test))
    tokens = f"{where} has labels of two dimensions, tokens, and inputs of shape {shapes[0]}"
    require(fits, f"{tokens}: give as many of both, or one class for each example")


def _of_arrays(name: str, where: str, options: Options) -> dict[str, Part]:
    def part(inputs: np.ndarray, labels: np.ndarray) -> Part:
        counts = f"{where} has {len(inputs)} inputs and {len(labels)} labels: give the same number, at least one"
        require(len(inputs) == len(labels) > 0, counts)
        are_tokens = is_sequences(labels)
        source = ArraySource((inputs,), lambda read: as_inputs(read[0], where, options.image_size, are_tokens))
        return Part(source, np.asarray(labels), None)

    return {split: part(*map(np.atleast_1d, pair)) for split, pair in ARRAYS[name](where).items()}


def _of_tables(name: str, where: str, options: Options) -> dict[str, Part]:
    tables = TABLES[name](where)
    names = {split: list(getattr(table, "column_names", table)) for split, table in tables.items()}
    columns = next(iter(names.values()))
    label = label_column(columns, options.label, where)
    chosen = input_columns(columns, label, where)
    for own in names.values():
        alone = sorted(set(own) ^ set(columns))
        differ = f"{where} has the column {', '.join(alone[:8])} in one split only"
        require(not alone, f"{differ}: give both the same columns")

    def part(table: Any) -> Part:
        require(len(table[label]) > 0, f"{where} has no rows: give at least one")
        labels = _as_array(list(table[label]))
        are_tokens = is_sequences(labels)

        def convert(rows: Any, places: np.ndarray | None = None) -> np.ndarray:
            found = stacked_columns({one: rows[one] for one in chosen}, where, options.image_size, places)
            return as_inputs(found, where, are_tokens=are_tokens)

        is_mapped = hasattr(table, "column_names")
        source = TableSource(table, convert) if is_mapped else ArraySource((convert(table),), lambda read: read[0])
        return Part(source, labels, np.asarray(table["split"]) if "split" in columns else None)

    return {split: part(table) for split, table in tables.items()}


def _as_array(labels: list) -> np.ndarray:
    """Returns labels as an array: of objects if there are texts, as NumPy would make a text of a missing one, too."""
    if any(isinstance(one, str) for one in labels):
        return np.array(labels, object)
    try:
        return np.asarray(labels)
    except ValueError:  # lists of different lengths
        return np.array([None] * len(labels), object)


def _divided(part: Part, seed: int, where: str) -> tuple[Part, Part]:
    """Returns the training and the test part of one file: by its column `split`, or a tenth for testing."""
    if part.splits is None:
        is_test = held_out(len(part.labels), seed)
        few = f"{where} has {len(part.labels)} rows, too few to test on a tenth of them: give more, or both splits"
        require(bool(is_test.any()), few)
    else:
        is_test = np.isin(part.splits, SPLITS["test"])
        known = bool((is_test | (part.splits == "train")).all())
        require(known, f"{where} has a column 'split' with other values than train and test: correct it, or drop it")
        both = f"{where} has no rows of one split in its column 'split': give both, or drop the column"
        require(bool(is_test.any() and not is_test.all()), both)
    places = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    train, test = (Part(Subset(part.inputs, some), part.labels[some], None) for some in places)
    return train, test
