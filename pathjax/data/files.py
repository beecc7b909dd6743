"""Files of bytes, which may be compressed."""

import gzip
import os
import pathlib
import zlib

from pathjax.core.errors import InputError, require


def read_bytes(path: str | pathlib.Path, kind: str = "a text file") -> bytes:
    """All bytes of a file, decompressed where its name ends with .gz.

    Args:
        path: of the file; ~ is the home folder.
        kind: what is expected there, for the message.

    Raises:
        InputError: for a file that is not there, damaged or empty.

    >>> import tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "words.txt.gz")
    >>> _ = file.write_bytes(gzip.compress(b"to be"))
    >>> read_bytes(file)
    b'to be'
    """
    path = pathlib.Path(os.path.expanduser(path))
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, ValueError, zlib.error) as error:  # one of gzip is an OSError; no name has a byte 0
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason}): give {kind}, which may be compressed (.gz)") from error
    require(len(data) > 0, f"{path} is empty: give {kind}")
    return data


def decoded(data: bytes, path: str | pathlib.Path) -> str:
    """UTF-8 as text, without the mark that some editors put before it.

    Raises:
        InputError: for what is not UTF-8, naming the first byte at fault.

    >>> decoded("naïve".encode(), "words.txt")
    'naïve'
    """
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is {data[error.start]:#04x}"
        raise InputError(f"{path} is not UTF-8 ({at}): convert it first") from error
