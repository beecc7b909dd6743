"""Image sets in the format of MNIST's authors: four idx files, with shapes in their headers."""

import math
import os
import pathlib

import numpy as np

from pathjax.core.errors import require
from pathjax.data.files import read_bytes

NUM_CLASSES = 10
# part -> files of its images and labels
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# The folders into which torchvision puts the files, below its root.
TORCHVISION = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw"}
# The third byte of an idx file is the type of its values, big-endian.
TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def find_idx(folder: str | pathlib.Path, name: str = "mnist") -> dict[str, tuple[pathlib.Path, pathlib.Path]] | None:
    """Returns the paths of a data set's images and labels, by split; None if the folder has no idx files.

    Files may be compressed (.gz), and their names may have a dot before "idx". The folder may also be torchvision's
    root folder, or its folder of the data set.

    Args:
        folder: where to look.
        name: of the set, by which torchvision names its folder.

    Raises:
        InputError: if only some of the files exist.

    >>> find_idx("/nowhere") is None
    True
    """
    folder = pathlib.Path(os.path.expanduser(folder))
    for place in (folder, folder / "raw", folder / TORCHVISION.get(name, "raw")):
        found = {one: _existing(place, one) for names in FILES.values() for one in names}
        missing = [one for one, path in found.items() if path is None]
        if len(missing) == len(found):
            continue
        require(not missing, f"{place} has idx files, but not {', '.join(missing)}: add them, compressed (.gz) or not")
        available = {one: path for one, path in found.items() if path is not None}
        return {part: (available[images], available[labels]) for part, (images, labels) in FILES.items()}
    return None


def read_part(images: pathlib.Path, labels: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads images, uint8 (n, height, width, 1), and their labels, int32 (n,).

    The files do not identify their set: MNIST, Fashion-MNIST and KMNIST have the same format.

    Raises:
        InputError: for files that are damaged, in another format, or do not belong together.
    """
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    counts = f"{images} has {len(pixels)} images but {labels} has {len(classes)} labels"
    require(len(pixels) == len(classes), f"{counts}: download both again")
    require(len(pixels) > 0, f"{images} has no images: download it again")
    highest = int(classes.max())
    expected = f"{labels} has a label {highest}: expected 0 to {NUM_CLASSES - 1}, prepare other sets with TFDS"
    require(highest < NUM_CLASSES, expected)
    return pixels[..., None], classes.astype(np.int32)


def read_idx(path: pathlib.Path, num_dims: int) -> np.ndarray:
    """Reads the array of an idx file, uint8, and checks its number of dimensions. Values of other types are converted
    if they are whole numbers from 0 to 255.

    Raises:
        InputError: for a file that is missing, damaged, in another format or with another number of dimensions.

    Source: the format as described at yann.lecun.com/exdb/mnist: two bytes 0, the type, the number of dimensions,
        each dimension as four bytes (big-endian), the values.

    >>> import tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx(file, 1).tolist()
    [7, 2, 1]
    """
    data = read_bytes(path, "an idx file")
    is_idx = data[:2] == bytes(2) and len(data) > 3 and data[2] in TYPES
    starts = f"it starts with {data[:4].hex(' ')}, not 00 00 and the type of values"
    require(is_idx, f"{path} is not an idx file ({starts}): replace it")
    dtype = np.dtype(TYPES[data[2]])
    found = data[3] if len(data) > 3 else 0
    require(found == num_dims, f"{path} has {found} dimensions, expected {num_dims}: check that files are not mixed up")
    start = 4 + 4 * num_dims
    require(len(data) >= start, f"{path} ends inside its header: download it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", num_dims, offset=4))
    num_bytes, expected = len(data) - start, math.prod(shape) * dtype.itemsize
    size = "x".join(map(str, shape))
    count = f"{path} has {num_bytes / dtype.itemsize:g} values, but its header says {size}"
    require(num_bytes == expected, f"{count}: it is damaged, download it again")
    return _as_bytes(np.frombuffer(data, dtype, offset=start).reshape(shape), path)


def _as_bytes(values: np.ndarray, path: pathlib.Path) -> np.ndarray:
    """Returns values of any type that are whole numbers from 0 to 255 as bytes."""
    if values.dtype == np.uint8:
        return values
    known = values if values.size else np.zeros(1, values.dtype)
    are_bytes = bool((known == np.round(known)).all()) and known.min() >= 0 and known.max() <= 255
    kind = values.dtype.newbyteorder("=")
    span = f"{known.min():g} to {known.max():g}"
    require(are_bytes, f"{path} has {kind} values from {span}: convert them to whole numbers from 0 to 255")
    return values.astype(np.uint8)


def _existing(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    names = [f"{one}{end}" for one in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    return next((folder / one for one in names if os.path.isfile(folder / one)), None)
