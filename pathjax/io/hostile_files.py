"""Checks of files that others may have made: they must not fill the memory, nor read other files."""

import pathlib

import h5py

from pathjax.core.errors import require
from pathjax.data.files import most_bytes


def check_hdf5(path: pathlib.Path) -> None:
    """Checks an HDF5 file before its arrays are read.

    A file of a few kilobytes can declare an array of any size, and its links and external storage can point to any file
    that the user can read.

    Args:
        path: of a file that h5py can open.

    Raises:
        InputError: if arrays together take more than 100 times the file, and more than 64 MiB; or if a part of the file
            is in another file.
    """
    total = 0
    with h5py.File(path, "r") as file:
        for name, item in _parts(file):
            elsewhere = isinstance(item, h5py.ExternalLink)
            elsewhere |= isinstance(item, h5py.Dataset) and (item.is_virtual or item.external is not None)
            require(not elsewhere, f"{path} has '{name}' in another file, which is not read: give the file of a run")
            total += item.size * item.dtype.itemsize if isinstance(item, h5py.Dataset) else 0
    # The files of runs are not compressed, so that their arrays take no more room than the file.
    most = most_bytes(path)
    sizes = f"{total / 2**30:,.2f} GiB, and has {path.stat().st_size / 2**20:,.2f} MiB"
    require(total <= most, f"{path} declares arrays of {sizes}: give the file of a run")


def _parts(file: h5py.File):
    """Yields names with data sets and links that point out of the file; others are not followed."""
    names: list[str] = []
    file.visititems_links(lambda name, link: names.append(name))
    for name in names:
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield name, link
        elif isinstance(link, h5py.HardLink):
            yield name, file[name]
