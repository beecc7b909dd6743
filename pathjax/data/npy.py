"""NumPy's files: archives of arrays (.npz), and folders of arrays (.npy) that can be mapped into memory."""

import math
import os
import pathlib
import zipfile
from typing import Any

import numpy as np

from pathjax.core.errors import require
from pathjax.data.files import check_expansion, reading

# Names that people give to inputs and to labels.
INPUTS = ("inputs", "x", "X", "images", "image", "data", "features")
LABELS = ("labels", "y", "Y", "label", "targets", "target")
KIND = "arrays `inputs` and `labels`, or `train_inputs`, `train_labels`, `test_inputs` and `test_labels`"

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def read_npz(path: str | pathlib.Path) -> Arrays:
    """Reads an archive of NumPy arrays.

    Args:
        path: an .npz file with arrays `inputs` and `labels`, or with those of both splits, `train_inputs`,
            `train_labels`, `test_inputs`, `test_labels`. Other usual names are known too: x and y, x_train and y_train.

    Returns:
        (inputs, labels) by split: "train" and "test", or "all" for an archive without splits.

    Raises:
        InputError: for a file that is missing or damaged, has other arrays, or would expand to more than 100 times its
            size.

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "own.npz")
    >>> np.savez(path, x_train=np.zeros((3, 2)), y_train=np.zeros(3), x_test=np.zeros((1, 2)), y_test=np.zeros(1))
    >>> {name: inputs.shape for name, (inputs, labels) in read_npz(path).items()}
    {'train': (3, 2), 'test': (1, 2)}
    """
    path = pathlib.Path(os.path.expanduser(path))
    with reading(path, f"an .npz file with {KIND}"):
        with zipfile.ZipFile(path) as archive:
            _check_declared(path, archive)
        with np.load(path, allow_pickle=False) as arrays:
            return _by_split(path, arrays.files, lambda name: arrays[name])


def map_npy(folder: str | pathlib.Path) -> Arrays:
    """Maps the arrays of a folder into memory; nothing is read until it is used.

    Args:
        folder: a folder with inputs.npy and labels.npy, or with those of both splits; see `read_npz` for the names.

    Returns:
        (inputs, labels) by split, see `read_npz`.

    Raises:
        InputError: for a folder or files that are missing, damaged or have other names.

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> np.save(folder / "inputs.npy", np.zeros((3, 2)))
    >>> np.save(folder / "labels.npy", np.zeros(3, int))
    >>> type(map_npy(folder)["all"][0]).__name__
    'memmap'
    """
    folder = pathlib.Path(os.path.expanduser(folder))
    require(folder.is_dir(), f"{folder} is not a folder: give one of .npy files, with {KIND}")

    def mapped(name: str) -> np.ndarray:
        path = folder / f"{name}.npy"
        with reading(path, "a file that np.save wrote"):
            return np.load(path, mmap_mode="r", allow_pickle=False)

    return _by_split(folder, [path.stem for path in folder.glob("*.npy")], mapped)


def _by_split(where: pathlib.Path, found: list[str], read: Any) -> Arrays:
    """Returns the pairs of arrays whose names are known."""

    def chosen(forms: tuple[str, ...]) -> tuple[str, str] | None:
        inputs, labels = ([form.format(name) for name in names for form in forms] for names in (INPUTS, LABELS))
        pairs = ((i, o) for i in inputs for o in labels if i in found and o in found)
        return next(pairs, None)

    splits = {split: chosen((f"{split}_{{}}", f"{{}}_{split}")) for split in ("train", "test")}
    parts = splits if all(splits.values()) else {"all": chosen(("{}",))}
    listed = ", ".join(sorted(found)[:8]) or "none"
    require(all(parts.values()), f"{where} has the arrays {listed}: expected {KIND}")
    return {part: (read(names[0]), read(names[1])) for part, names in parts.items() if names}


def _check_declared(path: pathlib.Path, archive: zipfile.ZipFile) -> None:
    """Checks what an archive says of its sizes, before any memory is taken for them."""
    expanded = sum(member.file_size for member in archive.infolist())
    check_expansion(path, expanded, "save it with np.savez, uncompressed")
    for member in archive.infolist():
        with archive.open(member) as file:
            if member.filename.endswith(".npy"):
                shape, dtype = _header(file)
                size = "x".join(map(str, shape))
                damaged = f"{path} has '{member.filename}' of {size} values in {member.file_size:,} bytes"
                fits = math.prod(shape) * dtype.itemsize <= member.file_size or dtype.hasobject
                require(fits, f"{damaged}: it is damaged")


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape and type of values that the header of an array says."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype
