"""Image sets prepared by TensorFlow Datasets, read without TensorFlow."""

import os

import numpy as np

from pathjax.errors import InputError


def load_images(name: str, data_dir: str | None):
    """Train and test images, float32 (n, h, w, c) in [0, 1], and labels, int32 (n,), of a prepared data set.

    Raises:
        InputError: if the set is not in `data_dir`, naming the command that prepares it.
    """
    return tuple(_read(name, split, data_dir) for split in ("train", "test"))


def _read(name, split, data_dir):
    import tensorflow_datasets as tfds

    folder = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
    try:
        source = tfds.data_source(name, split=split, data_dir=folder, download=False)
        examples = source.__getitems__(list(range(len(source))))
    except Exception as error:  # TFDS raises many types here, some of them bare
        raise InputError(_help(name, folder, error)) from error
    images = np.stack([example["image"] for example in examples])
    labels = np.array([example["label"] for example in examples], np.int32)
    return images.astype(np.float32) / 255, labels


def _help(name, folder, error):
    prepare = f"pip install 'pathjax[prepare]' && python -m experiments.prepare_data --dataset={name}"
    if os.path.isdir(os.path.join(folder, name)):
        reason = " ".join(str(error).split())[:120]
        return (
            f"data set '{name}' in {folder} cannot be read ({reason}): it must be prepared as array_record; "
            f"prepare it in another folder: {prepare} --data_dir=DIR"
        )
    return f"data set '{name}' is not in {folder}: give its folder as data_dir, or prepare it: {prepare} --data_dir=DIR"
