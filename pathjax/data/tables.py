"""Tables of one's own: CSV and Parquet files, and Hugging Face data sets saved to disk, as columns."""

import io
import os
import pathlib
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.files import check_expansion, read_bytes, reading

NUMBER = 8  # bytes of a number
FEW_ROWS, MANY_ROWS = 64, 65_536  # that are read at a time
SPLITS = {"train": ("train",), "test": ("test", "validation", "valid", "val", "dev")}
Table = dict[str, Any]  # name of a column -> its values, an array or a list


def read_csv(path: str | pathlib.Path) -> dict[str, Table]:
    """Reads a CSV file with a line of column names, which may be compressed (.gz), by pandas.

    Args:
        path: a file, or a folder with train.csv and test.csv (or validation.csv).

    Returns:
        Columns by split: "train" and "test", or "all" for one file.

    Raises:
        InputError: for files that are missing, empty or damaged.

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "own.csv")
    >>> _ = path.write_text("width,height,label\\n1,2,cat\\n3,4,dog\\n")
    >>> {name: values.tolist() for name, values in read_csv(path)["all"].items()}
    {'width': [1, 3], 'height': [2, 4], 'label': ['cat', 'dog']}
    """
    import pandas as pd

    def read(file: pathlib.Path) -> Table:
        data = read_bytes(file, "a CSV file")
        with reading(file, "a CSV file with a line of column names"), warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the line of names
            return _columns(pd.read_csv(io.BytesIO(data), index_col=False))

    return {split: _joined(path, map(read, files)) for split, files in _files(path, (".csv", ".csv.gz")).items()}


def read_parquet(path: str | pathlib.Path) -> dict[str, Table]:
    """Reads a Parquet file, by pandas and pyarrow.

    Args:
        path: a file, or a folder with train.parquet and test.parquet (or validation.parquet); names may begin with the
            split, as in train-00000-of-00001.parquet.

    Returns:
        Columns by split, see `read_csv`.

    Raises:
        InputError: for files that are missing or damaged, or would expand to more than 100 times their size.
    """
    import pyarrow.parquet as pq

    def read(file: pathlib.Path) -> Table:
        with reading(file, "a Parquet file"):
            return _columns(_read_in_parts(file, pq.ParquetFile(file)).to_pandas())

    return {split: _joined(path, map(read, files)) for split, files in _files(path, (".parquet",)).items()}


def open_saved(path: str | pathlib.Path) -> dict[str, Any]:
    """Opens a Hugging Face data set that `save_to_disk` wrote, by `datasets`; rows are mapped into memory.

    Args:
        path: the folder, of one data set or of several splits.

    Returns:
        The `datasets.Dataset` by split, see `read_csv`.

    Raises:
        InputError: if the folder cannot be read, or the package is missing.
    """
    folder = pathlib.Path(os.path.expanduser(path))
    try:
        import datasets
    except ImportError as error:
        raise InputError("data set 'huggingface' needs the package datasets: pip install datasets") from error
    require(folder.is_dir(), f"{folder} is not a folder: give one that save_to_disk of Hugging Face's datasets wrote")
    with reading(folder, "a folder that save_to_disk of Hugging Face's datasets wrote"):
        found = datasets.load_from_disk(str(folder))
    if not isinstance(found, dict):
        return {"all": _with_encoded_images(found)}
    chosen = {split: next((found[name] for name in names if name in found), None) for split, names in SPLITS.items()}
    needed = f"{folder} has the splits {', '.join(found)}: expected train and test (or validation)"
    require(all(one is not None for one in chosen.values()), needed)
    return {split: _with_encoded_images(one) for split, one in chosen.items()}


def _with_encoded_images(table: Any) -> Any:
    """Returns a data set that gives the bytes of images, so that each is checked before it is decoded."""
    import datasets

    for name, kind in table.features.items():
        if isinstance(kind, datasets.Image):
            table = table.cast_column(name, datasets.Image(decode=False))
    return table


def _files(path: str | pathlib.Path, endings: tuple[str, ...]) -> dict[str, list[pathlib.Path]]:
    """Returns the files of a path by split: the file itself, or those of a folder, whose names begin with the split."""
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_dir():
        require(path.exists(), f"{path} does not exist: give a {endings[0]} file, or a folder of train and test")
        return {"all": [path]}
    files = sorted(file for file in path.iterdir() if file.name.endswith(endings))
    of_names = {
        split: [[file for file in files if file.name.startswith(name)] for name in names]
        for split, names in SPLITS.items()
    }
    chosen = {split: next((found for found in some if found), []) for split, some in of_names.items()}
    missing = " and ".join(f"{split}{endings[0]}" for split, found in chosen.items() if not found)
    require(not missing, f"{path} has no {missing}: give a file, or a folder of train{endings[0]} and test{endings[0]}")
    return chosen


def _read_in_parts(path: pathlib.Path, file: Any) -> Any:
    """Returns the rows of a Parquet file as a table of Arrow; stops when they expand too far.

    A file says how many numbers its columns have, also in lists. Texts and images may be stored once for many rows, so
    columns of them are read a few rows at a time.
    """
    import pyarrow as pa

    about = file.metadata
    chunks = [about.row_group(i).column(j) for i in range(about.num_row_groups) for j in range(about.num_columns)]
    check_expansion(path, sum(one.num_values * NUMBER for one in chunks), "save it as .npz")
    has_bytes = any(one.physical_type == "BYTE_ARRAY" for one in chunks)
    parts, num_bytes = [], 0
    for part in file.iter_batches(FEW_ROWS if has_bytes else MANY_ROWS):
        arrays = [one.dictionary_decode() if isinstance(one, pa.DictionaryArray) else one for one in part.columns]
        parts.append(pa.RecordBatch.from_arrays(arrays, part.schema.names))
        num_bytes += parts[-1].nbytes
        check_expansion(path, num_bytes, "save it as .npz")
    return pa.Table.from_batches(parts)


def _joined(path: str | pathlib.Path, tables: Iterable[Table]) -> Table:
    """Returns the rows of several tables as one."""
    several = list(tables)
    names = [list(table) for table in several]
    other = next((one for one in names if one != names[0]), names[0])
    differ = f"files of one split in {path} have the columns {', '.join(names[0][:8])} and {', '.join(other[:8])}"
    require(other == names[0], f"{differ}: give all files the same columns")
    return {name: np.concatenate([table[name] for table in several]) for name in names[0]}


def _columns(frame: Any) -> Table:
    """Returns the columns of a pandas frame as arrays."""
    return {str(name): frame[name].to_numpy() for name in frame.columns}
