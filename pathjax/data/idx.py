"""Image sets in the format of MNIST's authors: four idx files, with a header that says how many and how large."""

import math
import os
import pathlib

import numpy as np

from pathjax.core.errors import require
from pathjax.data.files import read_bytes

NUM_CLASSES = 10
# Images and labels of a part.
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
UNSIGNED_BYTE = 8  # the third byte of an idx file says of what type its numbers are


def find_idx(folder: str | pathlib.Path) -> dict[str, tuple[pathlib.Path, pathlib.Path]] | None:
    """The files of a folder, images and labels by part, compressed (.gz) or not; None where it has none of
    them.

    Raises:
        InputError: for a folder that has some of them.

    >>> find_idx("/nowhere") is None
    True
    """
    folder = pathlib.Path(os.path.expanduser(folder))
    found = {name: _existing(folder / name) for names in FILES.values() for name in names}
    missing = [name for name, path in found.items() if path is None]
    if len(missing) == len(found):
        return None
    require(not missing, f"{folder} has idx files, but not {', '.join(missing)}: all four are needed (.gz or not)")
    there = {name: path for name, path in found.items() if path is not None}
    return {part: (there[images], there[labels]) for part, (images, labels) in FILES.items()}


def read_part(images: pathlib.Path, labels: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (n, height, width, 1), and their labels, int32 (n,).

    The files do not say of which set they are: MNIST, Fashion-MNIST and KMNIST look the same to a reader.

    Raises:
        InputError: for files that are damaged, of another kind, or do not belong together.
    """
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    counts = f"{images} has {len(pixels)} images and {labels} {len(classes)} labels"
    require(len(pixels) == len(classes), f"{counts}: they do not belong together, fetch both again")
    require(len(pixels) > 0, f"{images} has no images: fetch it again")
    highest = int(classes.max())
    alike = f"{labels} has a label {highest}: sets like MNIST have 0 to {NUM_CLASSES - 1}, prepare others with TFDS"
    require(highest < NUM_CLASSES, alike)
    return pixels[..., None], classes.astype(np.int32)


def read_idx(path: pathlib.Path, num_dims: int) -> np.ndarray:
    """The array of an idx file of bytes, uint8, with the number of dimensions that is expected.

    Raises:
        InputError: for a file that is not there, damaged, of another kind or with other dimensions.

    Source: the format as yann.lecun.com/exdb/mnist describes it: two bytes 0, the type, the number of
        dimensions, each dimension as four bytes (the highest first), the numbers.

    >>> import tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx(file, 1).tolist()
    [7, 2, 1]
    """
    data = read_bytes(path, "an idx file")
    is_idx = data[:3] == bytes([0, 0, UNSIGNED_BYTE])
    require(
        is_idx, f"{path} is no idx file of bytes (it begins with {data[:4].hex(' ')}, not 00 00 08): fetch it again"
    )
    there = data[3] if len(data) > 3 else 0
    require(there == num_dims, f"{path} has {there} dimensions: {num_dims} are expected here, are files mixed up?")
    start = 4 + 4 * num_dims
    require(len(data) >= start, f"{path} ends within its header: it is cut off, fetch it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", num_dims, offset=4))
    held, expected = len(data) - start, math.prod(shape)
    size = "x".join(map(str, shape))
    require(held == expected, f"{path} holds {held} numbers, and its header says {size}: it is damaged, fetch it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _existing(path: pathlib.Path) -> pathlib.Path | None:
    return next((one for one in (path, path.with_name(f"{path.name}.gz")) if os.path.isfile(one)), None)
