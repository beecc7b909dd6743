"""Loading of data sets by name."""

import hashlib
import numbers
import re
from typing import Any

import numpy as np

from pathjax.core.errors import require
from pathjax.data import preprocessing
from pathjax.data.dominoes import Probe
from pathjax.data.images import check_same
from pathjax.data.registry import Loader, loader_of
from pathjax.data.sources import NUM_IN_MEMORY, Subset
from pathjax.data.types import Dataset, Options
from pathjax.data.vocabulary import NUM_SPECIAL, most_frequent, tokens_of

NUM_WORDS = 10_000
BLOCK_BYTES = 2**25  # of a stream that are read at a time
INTEGER_OPTIONS = ("image_size", "num_train", "num_test", "seed", "context", "max_length", "vocabulary_size")


def load_dataset(name: str, data_dir: str | None = None, *, loader: Loader | None = None, **options: Any) -> Dataset:
    """Loads a data set by name.

    Args:
        name: one of
            "digits" (bundled, 8x8, 1,500 + 297);
            "gaussian_mixture", "moons", "circles", "spirals", "xor", "slabs", "gratings" (synthetic, 1,500 + 500;
            `pathjax.data.synthetic`);
            "teacher_student" (synthetic regression, 1,500 + 500; `pathjax.data.teacher`);
            "induction" (synthetic sequences, 20,000 + 1,000; `pathjax.data.induction`);
            "modular_addition" (all pairs modulo 53, 1,124 + 1,685; `pathjax.data.modular`);
            "dominoes" (two images in one, of any two sets; `pathjax.data.dominoes`);
            "text" (any text file, for next-character or next-byte prediction; `pathjax.data.text`);
            "jsonl" (any file of labeled texts; `pathjax.data.reviews`);
            "npz", "npy", "csv", "parquet", "huggingface" (files of your own; `pathjax.data.own_files`);
            "mnist", "fashion_mnist", "kmnist" (28x28, 60,000 + 10,000), "cifar10", "svhn_cropped",
            "imagenette", "imdb_reviews", or any other set of labeled images or texts in TensorFlow Datasets.
        data_dir: for sets of TensorFlow Datasets, the folder of prepared sets (None: ~/tensorflow_datasets); for
            "mnist", "fashion_mnist" and "kmnist" also a folder with the authors' four idx files; for "text", "jsonl"
            and "csv", the file, which may be compressed (.gz); for other files of your own, the file or folder.
        loader: a function `loader(name, data_dir, options) -> Dataset` that reads the set; None: the loader of `name`.
        options: see `Options`.

    Returns:
        A Dataset, with its digest in `origin`.

    Raises:
        InputError: for an unknown name or option; a set that is missing, damaged or of an unsupported kind; an option
            that is out of range or does not apply to the set; or a digest that differs from `sha256`.

    >>> dataset = load_dataset("digits", num_train=100, balanced=True, standardize=True)
    >>> dataset.train[0].shape, dataset.test[0].shape, dataset.num_classes
    ((100, 8, 8, 1), (297, 8, 8, 1), 10)
    """
    unknown = sorted(set(options) - set(Options._fields))
    known = ", ".join(Options._fields)
    require(not unknown, f"unknown data set option '{', '.join(unknown)}': choose from {known}")
    chosen = Options(**options)
    for key in INTEGER_OPTIONS:
        value = getattr(chosen, key)
        is_integer = value is None or (isinstance(value, numbers.Integral) and not isinstance(value, bool))
        require(is_integer, f"{key} of the data set must be an integer, not {value!r}")
    in_range = 0 <= chosen.seed < 2**32
    require(in_range, f"seed={chosen.seed} of the data set is out of range: choose 0 to 2**32 - 1")
    size = chosen.image_size
    require(size is None or size >= 1, f"image_size={size} is out of range: choose 1 or more")
    dataset = (loader or loader_of(name, data_dir))(name, data_dir, chosen)
    is_held = f"data set '{name}' is read as a whole: leave stream False, or save it as .npy files"
    require(not chosen.stream or dataset.stream is not None, is_held)
    dataset = _refined(dataset, chosen) if dataset.stream is None else _refined_stream(dataset, chosen)
    return _with_origin(dataset, name, data_dir, chosen.sha256)


def _refined_stream(dataset: Dataset, options: Options) -> Dataset:
    """Applies the options that do not need the whole training set."""
    for name in ("balanced", "label_noise", "standardize"):
        whole = (
            f"{name} needs the whole training set, and stream leaves it in its files: leave {name} out, or stream False"
        )
        require(not getattr(options, name), whole)
    stream, test = dataset.stream, dataset.test
    of_train, of_test = (np.random.default_rng([options.seed, i]) for i in range(2))
    if options.num_train is not None:
        (places, _) = preprocessing.subset((np.arange(len(stream)),) * 2, options.num_train, of_train)
        stream = Subset(stream, places)
        dataset = dataset._replace(stream=stream, train=stream.take(np.arange(min(len(stream), NUM_IN_MEMORY))))
    if options.num_test is not None:
        test = preprocessing.subset(test, options.num_test, of_test, "num_test")
    given = {"num_train": options.num_train, "num_test": options.num_test}
    applied = {key: value for key, value in given.items() if value}
    return dataset._replace(test=test, origin=dataset.origin | applied | {"seed": options.seed, "stream": True})


def _refined(dataset: Dataset, options: Options) -> Dataset:
    """Applies the options that are common to all sets."""
    train, test = dataset.train, dataset.test
    is_images = train[0].ndim == 4
    if is_images:
        check_same(train[0].shape[1:], test[0].shape[1:])
    require(options.image_size is None or is_images, "image_size is for images, but this set has none: leave it out")
    of_train, of_test, of_labels = (np.random.default_rng([options.seed, i]) for i in range(3))
    if options.balanced:
        train = preprocessing.balanced(train, dataset.num_classes, options.num_train, of_train)
    elif options.num_train is not None:
        train = preprocessing.subset(train, options.num_train, of_train)
    if options.num_test is not None:
        test = preprocessing.subset(test, options.num_test, of_test, "num_test")
    if options.label_noise != 0:
        train = preprocessing.with_label_noise(train, dataset.num_classes, options.label_noise, of_labels)
    applied = {
        key: getattr(options, key) for key in ("num_train", "num_test", "balanced", "label_noise", "standardize")
    }
    applied = {key: value for key, value in applied.items() if value}
    if applied.keys() - {"standardize"}:
        applied["seed"] = options.seed
    dataset = dataset._replace(train=train, test=test, origin=dataset.origin | applied)
    if train[0].dtype == object:
        dataset = _tokenized(dataset, options)
    if options.standardize:
        inputs = preprocessing.standardized(dataset.train[0], dataset.test[0])
        probes = {
            name: (preprocessing.standardized(train[0], probe)[1], labels)
            for name, (probe, labels) in dataset.probes.items()
        }
        train, test = (inputs[0], dataset.train[1]), (inputs[1], dataset.test[1])
        dataset = dataset._replace(train=train, test=test, probes=probes)
    return dataset


def _tokenized(dataset: Dataset, options: Options) -> Dataset:
    """Converts texts to tokens; the vocabulary comes from the training texts."""
    size = NUM_WORDS if options.vocabulary_size is None else options.vocabulary_size
    words = most_frequent(dataset.train[0], size)
    train, test = (
        (tokens_of(texts, words, options.max_length), labels) for texts, labels in (dataset.train, dataset.test)
    )
    origin = dataset.origin | {"max_length": options.max_length, "vocabulary_size": size}
    return dataset._replace(train=train, test=test, num_tokens=len(words) + NUM_SPECIAL, origin=origin)


def _with_origin(dataset: Dataset, name: str, data_dir: str | None, expected: str | None) -> Dataset:
    found = digest(dataset)
    is_digest = expected is None or re.fullmatch("[0-9a-fA-F]{64}", expected) is not None
    require(is_digest, f"sha256 '{expected}' is not a SHA-256: expected 64 hexadecimal digits, as in manifest.json")
    other = f"data set '{name}' has SHA-256 {found}, but {expected} was expected: it is another set, or it has changed"
    require(expected is None or expected.lower() == found, other)
    facts = {
        "data_dir": None if data_dir is None else str(data_dir),
        "sizes": {"train": dataset.num_train, "test": len(dataset.test[1])},
        "input_shape": list(dataset.train[0].shape[1:]),
        "num_classes": dataset.num_classes,
        "num_tokens": dataset.num_tokens,
        "sha256": found,
    }
    return dataset._replace(origin={"name": name} | dataset.origin | facts)


def digest(dataset: Dataset) -> str:
    """Computes the SHA-256 of a set's arrays (types, shapes and values), training arrays first, probes last.

    Synthetic or standardized data may differ in the last bits on another processor, and so may the digest. A training
    set that stays in its files is read once, and has the digest that it would have in memory.

    >>> digest(load_dataset("digits")) == load_dataset("digits").origin["sha256"]
    True
    """
    sha = hashlib.sha256()
    probes = [one for name in sorted(dataset.probes) for one in _arrays(dataset.probes[name])]
    trained = dataset.train if dataset.stream is None else ()
    if dataset.stream is not None:
        _add_stream(sha, dataset.stream)
    for array in (*trained, *dataset.test, *probes):
        _add_header(sha, array, array.shape)
        _add_values(sha, array)
    return sha.hexdigest()


def _add_stream(sha: Any, stream: Any) -> None:
    """Adds all inputs, block by block, and then all labels, as if they were two arrays."""
    labels = []
    block = max(1, BLOCK_BYTES // stream.take(np.arange(1))[0].nbytes)
    for start in range(0, len(stream), block):
        inputs, some = stream.take(np.arange(start, min(start + block, len(stream))))
        if start == 0:
            _add_header(sha, inputs, (len(stream), *inputs.shape[1:]))
        _add_values(sha, inputs)
        labels.append(some)
    joined = np.concatenate(labels)
    _add_header(sha, joined, joined.shape)
    _add_values(sha, joined)


def _add_header(sha: Any, array: np.ndarray, shape: tuple[int, ...]) -> None:
    sha.update(f"{array.dtype.newbyteorder('<').str} {shape}".encode())


def _add_values(sha: Any, array: np.ndarray) -> None:
    array = np.ascontiguousarray(array)
    sha.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)


def _arrays(probe: Probe) -> list[np.ndarray]:
    """Returns the inputs of a probe, and its labels, in the order of their names."""
    inputs, labels = probe
    return [inputs, *(labels[name] for name in sorted(labels))] if isinstance(labels, dict) else [inputs, labels]
