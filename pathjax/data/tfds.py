"""Reads sets of labeled images or texts prepared by TensorFlow Datasets (TFDS), without TensorFlow."""

import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.data.files import decoded
from pathjax.data.images import stacked
from pathjax.data.sources import NUM_IN_MEMORY, RowSource

FORMAT = "array_record"  # unlike tfrecord, TFDS reads it without TensorFlow
HELD_OUT = ("test", "validation")  # the first available split is for testing
BLOCK = 1000  # examples per read


@shown_in_short
class Prepared(NamedTuple):
    """A prepared set: inputs and labels int32 (n,) for training and testing, the number of classes, and the origin.

    Inputs are images, float32 (n, height, width, channels) in [0, 1], or texts, str objects (n,). `stream` is a source
    of the training set, if it stays in its files.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int
    origin: dict
    stream: Any = None


def load_prepared(name: str, data_dir: str | None, image_size: int | None = None, stream: bool = False) -> Prepared:
    """Reads a set of labeled images or texts.

    Args:
        name: the name in TFDS: mnist, cifar10, imdb_reviews; with the variant if a folder has several:
            imagenette/160px-v2.
        data_dir: folder of prepared sets; None for TFDS's default, ~/tensorflow_datasets.
        image_size: new size of the images, see `pathjax.data.images.stacked`.
        stream: whether the training set stays in its files: then `train` has its first examples, and `stream` all.

    Raises:
        InputError: for a set that is missing (with the command that prepares it), prepared in another format, damaged,
            or of an unsupported kind.
    """
    builder = open_prepared(name, data_dir)
    kind, num_classes = _kind(name, builder)
    splits = [split for split in ("train", *HELD_OUT) if split in builder.info.splits]
    available = ", ".join(builder.info.splits) or "none"
    needed = f"data set '{name}' has the splits {available}: expected train and test (or validation)"
    require(len(splits) >= 2 and splits[0] == "train", needed)
    source = _streamed(name, builder, kind, image_size) if stream else None
    if source is None:
        train = _part(name, builder, "train", kind, num_classes, image_size)
    else:
        train = source.take(np.arange(min(len(source), NUM_IN_MEMORY)))
    test = _part(name, builder, splits[1], kind, num_classes, image_size)
    origin = {"source": "TFDS", "version": str(builder.version), "splits": splits[:2]}
    if builder.builder_config:
        origin["variant"] = builder.builder_config.name
    return Prepared(train, test, num_classes, origin, source)


def _streamed(name: str, builder, kind: str, image_size: int | None) -> RowSource:
    """Returns a source of the training set's images and labels."""
    require(kind == "image", f"data set '{name}' has texts, which are read as a whole: leave stream False")
    _check_counts(name, builder, "train")

    def converted(row: dict) -> tuple[np.ndarray, np.ndarray]:
        return stacked([row["image"]], 1, image_size)[0], np.asarray(row["label"], np.int32)

    try:
        return RowSource(builder.as_data_source(split="train"), converted)
    except Exception as error:
        raise InputError(_unreadable(name, builder.data_path, error)) from error


def open_prepared(name: str, data_dir: str | None) -> Any:
    """Returns TFDS's builder of a set that exists and can be read.

    Raises:
        InputError: see `load_prepared`.
    """
    return _opened(name, _folder(name, data_dir))


def is_known(name: str) -> bool:
    """Whether TFDS can prepare a set of this name; does not use the network.

    >>> is_known("mnist"), is_known("minst")
    (True, False)
    """
    import tensorflow_datasets as tfds

    own = name.split("/")[0]
    try:
        return is_name(name) and tfds.builder_cls(own).name == own  # TFDS also finds MNIST, but prepares it as mnist
    except ValueError:  # unknown or invalid name
        return False


def is_name(name: str) -> bool:
    """Whether this is a valid name of a set, with or without a variant, and of a folder.

    >>> is_name("imagenette/160px-v2"), is_name("mnist/..")
    (True, False)
    """
    return re.fullmatch(r"\w[\w.+-]*(/\w[\w.+-]*)*", name) is not None


def own_folder(data_dir: str | None) -> str:
    """Returns a hint if data_dir is the folder of a single set or version, else "".

    >>> own_folder("/nowhere")
    ''
    """
    folder = sets_folder(data_dir)
    is_own = any(next(folder.glob(f"{depth}dataset_info.json"), None) for depth in ("", "*/"))
    return f" ({folder} is a set's own folder: give its parent folder)" if is_own else ""


def sets_folder(data_dir: str | None) -> pathlib.Path:
    """Returns the folder of prepared sets."""
    import tensorflow_datasets as tfds

    return pathlib.Path(os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR))


def command(name: str) -> str:
    """Returns the command that prepares a set.

    >>> command("mnist")
    'pip install tensorflow-cpu && python -m pathjax.data.prepare mnist --data_dir=DIR'
    """
    return f"pip install tensorflow-cpu && python -m pathjax.data.prepare {name} --data_dir=DIR"


def _folder(name: str, data_dir: str | None) -> pathlib.Path:
    """Returns the folder of the newest version of a set that has a single variant."""
    sets = sets_folder(data_dir)
    root = sets / name
    fix = f"give its folder as data_dir, or prepare it: {command(name)}"
    if not root.is_dir():
        raise InputError(f"data set '{name}' is not in {sets}{own_folder(data_dir)}: {fix}")
    found = [file.parent for depth in ("", "*/", "*/*/") for file in root.glob(f"{depth}dataset_info.json")]
    versions = [folder for folder in found if re.fullmatch(r"\d+(\.\d+)*", folder.name)]  # others are unfinished
    require(len(versions) > 0, _unreadable(name, root, "it has no dataset_info.json"))
    variants = sorted({str(folder.parent.relative_to(sets)) for folder in versions if folder != root})
    several = f"{sets} has several variants of '{name}': choose one of {', '.join(variants)}"
    require(len(variants) <= 1, several)
    return max(versions, key=lambda folder: [int(number) for number in folder.name.split(".")])


def _opened(name: str, folder: pathlib.Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(folder)
        file_format = builder.info.file_format
    except Exception as error:  # TFDS raises many types here, even plain Exception
        raise InputError(_unreadable(name, folder, error)) from error
    found = file_format.value if file_format else "an unknown format"
    require(found == FORMAT, _unreadable(name, folder, f"it was prepared as {found}, not as {FORMAT}"))
    return builder


def _kind(name: str, builder) -> tuple[str, int]:
    """Returns the feature that is the input, and the number of classes."""
    features = dict(builder.info.features)
    kind = next((kind for kind in ("image", "text") if kind in features), None)
    num_classes = getattr(features.get("label"), "num_classes", None)
    if kind is None or num_classes is None or features["label"].shape != ():
        needed = "expected image or text, and one label with a number of classes"
        raise InputError(f"data set '{name}' has the features {', '.join(features)}: {needed}")
    dtype = np.dtype(features[kind].np_dtype)
    of_bytes = f"data set '{name}' has images of {dtype}: expected bytes (uint8)"
    require(kind == "text" or dtype == np.uint8, of_bytes)
    return kind, num_classes


def _part(name: str, builder, split: str, kind: str, num_classes: int, image_size: int | None):
    """Reads inputs and labels of a split."""
    where = f"'{split}' of data set '{name}'"
    num = builder.info.splits[split].num_examples
    require(num > 0, f"{where} has no examples: {_again(name)}")
    _check_counts(name, builder, split)
    labels = np.empty(num, np.int32)

    def inputs() -> Iterator[Any]:
        for i, example in enumerate(_examples(name, builder, split)):
            labels[i] = example["label"]
            yield example[kind]

    if kind == "image":
        array = stacked(inputs(), num, image_size)
    else:
        texts = (decoded(one, f"text {i} of {where}") for i, one in enumerate(inputs()))
        array = np.fromiter(texts, object, num)
    low, high = int(labels.min()), int(labels.max())
    range_ = f"labels from {low} to {high} but {num_classes} classes: it is unlabeled or damaged, choose another set"
    require(low >= 0 and high < num_classes, f"{where} has {range_}")
    return array, labels


def _examples(name: str, builder, split: str) -> Iterator[dict]:
    try:
        source = builder.as_data_source(split=split)
        for start in range(0, len(source), BLOCK):
            block = source.__getitems__(list(range(start, min(start + BLOCK, len(source)))))
            yield from block
    except InputError:
        raise
    except Exception as error:  # e.g. a missing file, a wrong checksum, an invalid image
        raise InputError(_unreadable(name, builder.data_path, error)) from error


def _check_counts(name: str, builder, split: str) -> None:
    """Raises InputError if files do not have the examples that dataset_info.json says; TFDS would ignore the rest."""
    from array_record.python.array_record_module import ArrayRecordReader

    for path, expected in _shards(name, builder, split):
        if not os.path.exists(path):
            raise InputError(_unreadable(name, builder.data_path, f"{path.name} is missing"))
        try:
            reader = ArrayRecordReader(os.fspath(path))
            found = reader.num_records()
            reader.close()
        except Exception as error:
            raise InputError(_unreadable(name, builder.data_path, f"{path.name}: {error}")) from error
        reason = f"{path.name} has {found} examples, but dataset_info.json says {expected}"
        require(found == expected, _unreadable(name, builder.data_path, reason))


def _shards(name: str, builder, split: str) -> list[tuple[Any, int]]:
    """Returns the files of a split and the expected number of examples in each."""
    try:
        info = builder.info.splits[split]
        return list(zip(info.filepaths, info.shard_lengths, strict=True))
    except Exception as error:  # invalid entries in dataset_info.json
        raise InputError(_unreadable(name, builder.data_path, error)) from error


def _unreadable(name: str, folder, reason) -> str:
    reason = " ".join(str(reason).split())[:160]
    return f"data set '{name}' in {folder} cannot be read ({reason}): {_again(name)}"


def _again(name: str) -> str:
    return f"prepare it again in another folder: {command(name)}" if is_known(name) else "create it again"
