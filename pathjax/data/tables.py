"""Tables of one's own: CSV and Parquet files, and Hugging Face data sets saved to disk, as columns."""

import io
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.files import check_expansion, read_bytes, reading

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
    >>> {name: list(values) for name, values in read_csv(path)["all"].items()}
    {'width': [1, 3], 'height': [2, 4], 'label': ['cat', 'dog']}
    """
    import pandas as pd

    def read(file: pathlib.Path) -> Table:
        data = read_bytes(file, "a CSV file")
        with reading(file, "a CSV file with a line of column names"):
            return _columns(pd.read_csv(io.BytesIO(data)))

    return {split: _joined(map(read, files)) for split, files in _files(path, (".csv", ".csv.gz")).items()}


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
    import pandas as pd
    import pyarrow.parquet as pq

    def read(file: pathlib.Path) -> Table:
        with reading(file, "a Parquet file"):
            about = pq.read_metadata(file)
            check_expansion(file, about.num_rows * about.num_columns * 8, "save it as .npz")
            return _columns(pd.read_parquet(file, engine="pyarrow"))

    return {split: _joined(map(read, files)) for split, files in _files(path, (".parquet",)).items()}


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
        return {"all": found}
    chosen = {split: next((found[name] for name in names if name in found), None) for split, names in SPLITS.items()}
    needed = f"{folder} has the splits {', '.join(found)}: expected train and test (or validation)"
    require(all(one is not None for one in chosen.values()), needed)
    return chosen


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


def _joined(tables: Iterable[Table]) -> Table:
    """Returns the rows of several tables as one."""
    several = list(tables)
    names = [list(table) for table in several]
    require(all(one == names[0] for one in names), f"files of one split differ in their columns: {names[0]} and others")
    return {name: np.concatenate([table[name] for table in several]) for name in names[0]}


def _columns(frame: Any) -> Table:
    """Returns the columns of a pandas frame as arrays."""
    return {str(name): frame[name].to_numpy() for name in frame.columns}
