"""Downloads and prepares a set of TensorFlow Datasets once, in a format that can be read without TensorFlow.

pip install tensorflow-cpu && python -m pathjax.data.prepare mnist --data_dir=DIR
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn
from urllib.error import URLError

from pathjax.core.errors import InputError, require
from pathjax.data.tfds import FORMAT, is_known, open_prepared, sets_folder

USAGE_ERROR = 2
MANUAL_DIR = """\
Without internet: download the set's files elsewhere, put them into a folder under their original names (for mnist
train-images-idx3-ubyte.gz and the three others; the error of a failed download lists names and addresses), and pass
that folder as --manual_dir. Files in it replace downloads if their SHA-256 is the one that TensorFlow Datasets expects;
the folder is not modified. Sets that their authors only give on request (imagenet2012) are read from there too. A
download without internet gives up after some minutes."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"error: {message}: python -m pathjax.data.prepare NAME [--data_dir=DIR]\n")


def prepare(name: str, data_dir: str | None = None, manual_dir: str | None = None) -> str:
    """Prepares a set as array_record files, unless it exists already.

    Args:
        name: the name in TensorFlow Datasets, with the variant if there are several: imagenette/160px-v2.
        data_dir: folder for prepared sets; None: ~/tensorflow_datasets.
        manual_dir: folder with manually downloaded files.

    Returns:
        A message with the set's folder and sizes.

    Raises:
        InputError: for an unknown name, if TensorFlow or the network is missing, or if downloads have wrong checksums.
    """
    require(is_known(name), f"unknown data set '{name}': choose one from tensorflow.org/datasets/catalog")
    folder_exists = manual_dir is None or os.path.isdir(os.path.expanduser(manual_dir))
    require(folder_exists, f"{manual_dir} is not a folder: pass one with manually downloaded files, or leave it out")
    try:
        builder = open_prepared(name, data_dir)
    except InputError:  # it is missing or incomplete
        missing = "preparing a set needs TensorFlow (reading it does not): pip install tensorflow-cpu"
        require(importlib.util.find_spec("tensorflow") is not None, missing)
        download_and_prepare(name, data_dir, manual_dir)
        builder = open_prepared(name, data_dir)
    sizes = ", ".join(f"{split} {info.num_examples:,}" for split, info in builder.info.splits.items())
    return f"{name} is in {builder.data_path} ({sizes})"


def download_and_prepare(name: str, data_dir: str | None, manual_dir: str | None) -> None:
    """Calls TensorFlow Datasets and converts its errors to one line each."""
    import tensorflow_datasets as tfds
    from requests.exceptions import RequestException
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    # Only from the authors: sets prepared in Google's bucket have another format.
    downloads = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    builder = None
    try:
        builder = tfds.builder(name, data_dir=str(sets_folder(data_dir)), file_format=FORMAT)
        builder.download_and_prepare(download_config=downloads)
    except NonMatchingChecksumError as error:
        first, *rest = str(error).splitlines()
        what = f"{first.rstrip(':')} ({'; '.join(line.strip('* ') for line in rest[:2])})"
        raise InputError(f"'{name}' cannot be prepared: {what}: download that file again from that address") from error
    except ImportError as error:
        raise InputError(f"preparing '{name}' needs another package ({error}): install it with pip") from error
    except (RequestException, URLError, DownloadError) as error:
        raise InputError(f"'{name}' cannot be prepared ({_line(error)}): {_manual_hint(builder)}") from error
    except Exception as error:  # TFDS raises many types, some defined by single sets
        raise InputError(f"'{name}' cannot be prepared ({type(error).__name__}: {_line(error)})") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:160]}..."


def _manual_hint(builder) -> str:
    """How to prepare the set without internet."""
    known = (builder.url_infos or {}) if builder is not None else {}
    urls = [url for url, info in known.items() if info.filename]  # TFDS only looks for files with a name
    listed = f" ({', '.join(urls[:6])})" if urls else ""
    return f"without internet, put its files{listed} into a folder and pass it as --manual_dir"


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command; an error prints one line and exits with status 2."""
    about = (__doc__ or "").strip()
    layout = argparse.RawDescriptionHelpFormatter
    parser = _Parser("python -m pathjax.data.prepare", description=about, epilog=MANUAL_DIR, formatter_class=layout)
    parser.add_argument(
        "name", metavar="NAME", help="name of the set: mnist, cifar10, imagenette/160px-v2, imdb_reviews, ..."
    )
    parser.add_argument("--data_dir", metavar="DIR", help="folder for prepared sets; default: ~/tensorflow_datasets")
    parser.add_argument("--manual_dir", metavar="DIR", help="folder with manually downloaded files; see below")
    given = parser.parse_args(args)
    try:
        print(prepare(given.name, given.data_dir, given.manual_dir))
    except InputError as error:
        parser.exit(USAGE_ERROR, f"error: {' '.join(str(error).split())}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted: run the same command again; it reuses finished downloads\n")


if __name__ == "__main__":
    main(sys.argv[1:])
