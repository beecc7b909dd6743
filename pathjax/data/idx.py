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
UNSIGNED_BYTE = 8  # the third byte of an idx file is the type of its values


def find_idx(folder: str | pathlib.Path) -> dict[str, tuple[pathlib.Path, pathlib.Path]] | None:
    """Finds the files of a folder, images and labels by part, compressed (.gz) or not; None if it has no such file.

    Raises:
        InputError: if only some of the files exist.

    >>> find_idx("/nowhere") is None
    True
    """
    folder = pathlib.Path(os.path.expanduser(folder))
    found = {name: _existing(folder / name) for names in FILES.values() for name in names}
    missing = [name for name, path in found.items() if path is None]
    if len(missing) == len(found):
        return None
    require(not missing, f"{folder} has idx files, but not {', '.join(missing)}: add them, compressed (.gz) or not")
    available = {name: path for name, path in found.items() if path is not None}
    return {part: (available[images], available[labels]) for part, (images, labels) in FILES.items()}


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
    """Reads the array of an idx file of bytes, uint8, and checks its number of dimensions.

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
    is_idx = data[:3] == bytes([0, 0, UNSIGNED_BYTE])
    require(
        is_idx, f"{path} is not an idx file of bytes (it starts with {data[:4].hex(' ')}, not 00 00 08): replace it"
    )
    found = data[3] if len(data) > 3 else 0
    require(found == num_dims, f"{path} has {found} dimensions, expected {num_dims}: check that files are not mixed up")
    start = 4 + 4 * num_dims
    require(len(data) >= start, f"{path} ends inside its header: download it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", num_dims, offset=4))
    num_values, expected = len(data) - start, math.prod(shape)
    size = "x".join(map(str, shape))
    damaged = f"{path} has {num_values} values, but its header says {size}: it is damaged, download it again"
    require(num_values == expected, damaged)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _existing(path: pathlib.Path) -> pathlib.Path | None:
    return next((one for one in (path, path.with_name(f"{path.name}.gz")) if os.path.isfile(one)), None)
