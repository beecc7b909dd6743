"""Reading of files, which may be compressed."""

import contextlib
import gzip
import os
import pathlib
import zlib
from collections.abc import Iterator

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
    except InputError:
        raise
    except (EOFError, OSError, ValueError, zlib.error) as error:  # gzip's are OSErrors; ValueError: byte 0 in path
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason}): give {kind}, which may be compressed (.gz)") from error
    require(len(data) > 0, f"{path} is empty: give {kind}")
    return data


def _decompressed(path: pathlib.Path) -> bytes:
    with gzip.open(path) as file:
        data = file.read(most_bytes(path) + 1)
    check_expansion(path, len(data), "decompress it yourself")
    return data


def most_bytes(path: pathlib.Path) -> int:
    """Returns the bytes to which a compressed file may expand."""
    return max(LARGE, MAX_RATIO * path.stat().st_size)


def check_expansion(path: pathlib.Path, num_bytes: int, otherwise: str) -> None:
    """Raises InputError if a file expands to more than `most_bytes`.

    >>> check_expansion(pathlib.Path(__file__), 1000, "save it uncompressed")
    """
    most = most_bytes(path)
    expands = f"{path} expands to more than {most / 2**20:,.0f} MiB, {MAX_RATIO} times its size"
    require(num_bytes <= most, f"{expands}: it is damaged, or {otherwise}")


@contextlib.contextmanager
def reading(path: pathlib.Path, kind: str) -> Iterator[None]:
    """Turns any exception of a library that reads a file into one line.

    >>> with reading(pathlib.Path("own.npz"), "an .npz file"):
    ...     raise EOFError("it ends")
    Traceback (most recent call last):
    pathjax.core.errors.InputError: own.npz cannot be read (EOFError: it ends): give an .npz file
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever the system and the library raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise InputError(f"{path} cannot be read ({reason}): give {kind}") from error


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
