"""Reading of files, which may be compressed."""

import gzip
import os
import pathlib
import zlib

from pathjax.core.errors import InputError, require

MAX_RATIO, LARGE = 100, 64 * 2**20  # of decompressed to compressed bytes, from this size on


def read_bytes(path: str | pathlib.Path, kind: str = "a text file") -> bytes:
    """Reads all bytes of a file, and decompresses them if its name ends with .gz.

    A compressed file must not expand to more than 100 times its size, if that is more than 64 MiB: a file of 1 MB could
    fill the memory, and no text or image set is like that.

    Args:
        path: path of the file; ~ is the home folder.
        kind: the expected kind of file, for the error message.

    Raises:
        InputError: for a missing, damaged or empty file, or one that expands too far.

    >>> import tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "words.txt.gz")
    >>> _ = file.write_bytes(gzip.compress(b"to be"))
    >>> read_bytes(file)
    b'to be'
    """
    path = pathlib.Path(os.path.expanduser(path))
    try:
        data = _decompressed(path) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, ValueError, zlib.error) as error:  # gzip's are OSErrors; ValueError: byte 0 in path
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason}): give {kind}, which may be compressed (.gz)") from error
    require(len(data) > 0, f"{path} is empty: give {kind}")
    return data


def _decompressed(path: pathlib.Path) -> bytes:
    limit = max(LARGE, MAX_RATIO * path.stat().st_size)
    with gzip.open(path) as file:
        data = file.read(limit + 1)
    expands = f"{path} expands to more than {limit / 2**20:,.0f} MiB, {MAX_RATIO} times its size"
    require(len(data) <= limit, f"{expands}: it is damaged, or decompress it yourself")
    return data


def decoded(data: bytes, path: str | pathlib.Path) -> str:
    """Decodes UTF-8, without the byte order mark that some editors write.

    Raises:
        InputError: for invalid UTF-8, naming the first invalid byte.

    >>> decoded("naïve".encode(), "words.txt")
    'naïve'
    """
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is {data[error.start]:#04x}"
        raise InputError(f"{path} is not UTF-8 ({at}): convert it to UTF-8") from error
