"""The loaders of data sets by name."""

import pathlib
from collections.abc import Callable

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.digits import load_digits
from pathjax.data.dominoes import Images, Side, dominoes
from pathjax.data.idx import FILES, NUM_CLASSES, find_idx, read_part
from pathjax.data.images import resized, stacked
from pathjax.data.induction import induction
from pathjax.data.modular import modular_addition
from pathjax.data.own_files import OWN_FILES, load_own_files
from pathjax.data.reviews import load_reviews
from pathjax.data.synthetic import SYNTHETIC
from pathjax.data.teacher import teacher_student
from pathjax.data.text import load_text
from pathjax.data.tfds import is_known, is_name, load_prepared, own_folder, sets_folder
from pathjax.data.types import Dataset, Options

IDX_SETS = ("mnist", "fashion_mnist", "kmnist")
FROM_FILES = ("text", "jsonl", *OWN_FILES)
PREPARED = (*IDX_SETS, "cifar10", "svhn_cropped", "imagenette", "imdb_reviews")
DATASETS = (
    "digits",
    *SYNTHETIC,
    "teacher_student",
    "induction",
    "modular_addition",
    "dominoes",
    *FROM_FILES,
    *PREPARED,
)
Loader = Callable[[str, str | None, Options], Dataset]


def loader_of(name: str, data_dir: str | None) -> Loader:
    """Returns the function that loads or generates a set.

    Raises:
        InputError: for an unknown name.

    >>> loader_of("digits", None)("digits", None, Options()).num_classes
    10
    """
    if name in LOADERS:
        return LOADERS[name]
    if name in IDX_SETS and data_dir is not None and find_idx(data_dir, name):
        return _idx
    known = is_name(name) and (name in PREPARED or (sets_folder(data_dir) / name).is_dir() or is_known(name))
    if not known:
        others = f"or a set in TensorFlow Datasets{own_folder(data_dir)}"
        raise InputError(f"unknown data set '{name}': choose one of {', '.join(DATASETS)}, {others}")
    return _prepared


def _digits(name: str, data_dir: str | None, options: Options) -> Dataset:
    train, test = load_digits()
    if options.image_size is not None:
        size = options.image_size
        train, test = ((np.stack([resized(x, size) for x in inputs]), labels) for inputs, labels in (train, test))
    return Dataset(train, test, 10, origin={"source": "scikit-learn"} | _resizing(options))


def _drawn(name: str, data_dir: str | None, options: Options) -> Dataset:
    draw, num_classes = SYNTHETIC[name]
    return Dataset(*draw(), num_classes, origin={"source": "drawn"})


def _teacher_student(name: str, data_dir: str | None, options: Options) -> Dataset:
    return Dataset(*teacher_student(), 1, origin={"source": "drawn"})


def _induction(name: str, data_dir: str | None, options: Options) -> Dataset:
    train, test = induction(options.context, options.vocabulary_size)
    size = options.vocabulary_size or options.context
    return Dataset(train, test, size, size, {"source": "drawn", "context": options.context, "vocabulary_size": size})


def _modular_addition(name: str, data_dir: str | None, options: Options) -> Dataset:
    train, test = modular_addition(seed=options.seed)
    modulus = int(max(train[1].max(), test[1].max())) + 1
    return Dataset(train, test, modulus, modulus + 1, {"source": "drawn", "seed": options.seed})


def _dominoes(name: str, data_dir: str | None, options: Options) -> Dataset:
    made_of = options.dominoes
    require(data_dir is None, "dominoes are made of two sets: give the folder of each, as data_dir of a side")
    require(options.label_noise == 0, "dominoes have a label_noise of their own: set that of `dominoes`")
    require(not options.balanced, "dominoes have equal classes, as far as images allow: leave balanced False")
    sets = [_of_side(side, options) for side in (made_of.m, made_of.c)]
    most = min(one.num_classes for one in sets)
    num_classes = most if made_of.num_classes is None else made_of.num_classes
    require(1 < num_classes <= most, f"num_classes={num_classes} of dominoes is out of range: choose 2 to {most}")
    shapes = [one.train[0].shape[1:] for one in sets]
    size, channels = max(max(shape[:2]) for shape in shapes), max(shape[2] for shape in shapes)
    images = [
        Images(*((_fitted(inputs, size, channels), labels) for inputs, labels in (one.train, one.test))) for one in sets
    ]
    sizes: dict = {"num_train": options.num_train, "num_test": options.num_test, "seed": options.seed}
    found = dominoes(made_of, *images, num_classes=num_classes, **sizes)
    sides = {side: one.origin | getattr(made_of, side)._asdict() for side, one in zip("mc", sets, strict=True)}
    origin = {"source": "dominoes", "dominoes": made_of._asdict() | sides, "counts": found.counts._asdict()}
    return Dataset(found.train, found.test, num_classes, origin=origin, probes=found.probes)


def _of_side(side: Side, options: Options) -> Dataset:
    require(side.source != "dominoes", "a side of a domino cannot be dominoes: choose a set of images")
    found = loader_of(side.source, side.data_dir)(side.source, side.data_dir, options)
    is_images = found.train[0].ndim == 4 and found.train[1].ndim == 1 and found.num_tokens is None
    require(is_images, f"'{side.source}' has no labeled images, which sides of dominoes are: choose another set")
    return found


def _fitted(images: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Resizes images to squares, and repeats gray as colors, so that both sides have the same shape."""
    square = np.stack([resized(one, size) for one in images]) if images.shape[1:3] != (size, size) else images
    return np.repeat(square, channels, axis=-1) if square.shape[-1] < channels else square


def _text(name: str, data_dir: str | None, options: Options) -> Dataset:
    path = _file(name, data_dir)
    text = load_text(path, options.level, options.context)
    size = len(text.vocabulary)
    origin = {"source": "file", "files": [pathlib.Path(path).name], "level": options.level, "context": options.context}
    return Dataset(text.train, text.test, size, size, origin)


def _reviews(name: str, data_dir: str | None, options: Options) -> Dataset:
    path = _file(name, data_dir)
    reviews = load_reviews(path, options.seed)
    origin = {
        "source": "file",
        "files": [pathlib.Path(path).name],
        "labels": list(reviews.labels),
        "seed": options.seed,
    }
    return Dataset(reviews.train, reviews.test, len(reviews.labels), origin=origin)


def _own_files(name: str, data_dir: str | None, options: Options) -> Dataset:
    return load_own_files(name, _file(name, data_dir), options)


def _idx(name: str, data_dir: str | None, options: Options) -> Dataset:
    found = find_idx(data_dir or ".", name) or {}
    parts = [read_part(*found[part]) for part in FILES]
    train, test = ((stacked(images, len(images), options.image_size), labels) for images, labels in parts)
    files = [path.name for part in FILES for path in found[part]]
    return Dataset(train, test, NUM_CLASSES, origin={"source": "idx files", "files": files} | _resizing(options))


def _prepared(name: str, data_dir: str | None, options: Options) -> Dataset:
    found = load_prepared(name, data_dir, options.image_size, options.stream)
    origin = found.origin | _resizing(options)
    return Dataset(found.train, found.test, found.num_classes, origin=origin, stream=found.stream)


def _file(name: str, data_dir: str | None) -> str:
    require(data_dir is not None, f"data set '{name}' is read from a file: give its path as data_dir")
    return str(data_dir)


def _resizing(options: Options) -> dict:
    return {} if options.image_size is None else {"image_size": options.image_size, "resized_by": "bilinear"}


LOADERS: dict[str, Loader] = {
    "digits": _digits,
    **dict.fromkeys(SYNTHETIC, _drawn),
    "teacher_student": _teacher_student,
    "induction": _induction,
    "modular_addition": _modular_addition,
    "dominoes": _dominoes,
    "text": _text,
    "jsonl": _reviews,
    **dict.fromkeys(OWN_FILES, _own_files),
}
