"""What studies have in common that are told by flags: a data set, widths and counts, a table and a figure."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import flags, logging

from pathjax.core.errors import require
from pathjax.data import Dataset, load_dataset
from pathjax.experiments.runner import devices
from pathjax.experiments.runner.manifest import environment
from pathjax.io.run_folder import replace_file, write_json
from pathjax.reporting.page import Figure, draw_png


def validate_flags(values: flags.FlagValues, counts: dict[str, int], least_widths: int = 1) -> pathlib.Path:
    """The workdir, which is not made yet, once what all such programs are given was found to fit.

    Args:
        values: the flags, with a workdir, a list of widths and the counts.
        counts: flags that are counts, with the least of each.
        least_widths: how many there must be.

    Raises:
        InputError: for a flag out of its range.
    """
    logging.set_verbosity(logging.ERROR)  # of JAX, which tells of accelerators that it has not found
    valid = len(values.widths) >= least_widths and all(w.isdecimal() and int(w) > 0 for w in values.widths)
    require(valid, f"--widths={','.join(values.widths)}: expected numbers from 1 on, as in --widths=64,256")
    for flag, least in counts.items():
        given = int(getattr(values, flag))
        require(given >= least, f"--{flag}={given} is out of range: choose {least} or more")
    return pathlib.Path(values.workdir)


def prepare(num_devices: int | None = None) -> None:
    """Devices, and products as exact as they come."""
    devices.prepare(num_devices)
    jax.config.update("jax_default_matmul_precision", "highest")


def load(values: flags.FlagValues, batch_size: int) -> Dataset:
    """The data set that --data and --data_dir name: numbers or images, with classes, and a batch of them at least.

    Raises:
        InputError: for one that is not there, or of another kind.
    """
    dataset = load_dataset(values.data, values.data_dir)
    (inputs, labels), other = dataset.train, f"--data={values.data}: choose another, such as digits"
    is_classes = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    require(is_classes and dataset.num_tokens is None, f"numbers or images with a class each are needed; {other}")
    require(len(inputs) >= batch_size, f"{len(inputs)} examples are no batch of {batch_size}; {other}")
    return dataset


def save_result(folder: pathlib.Path, name: str, found: dict, title: str, draw: Callable) -> str:
    """Write what was found, with versions and hardware, and its figure; what to say of it.

    Args:
        folder: there already.
        name: of name.json and name.png.
        found: {key: what `draw` takes}, of arrays and numbers in NamedTuples, lists and dicts.
        title: of the figure.
        draw: `draw(axes, found)`.
    """
    write_json(folder / f"{name}.json", {name: to_json(found)} | environment())
    image = draw_png(Figure(title, "", draw), found)
    replace_file(folder / f"{name}.png", lambda path: path.write_bytes(image))
    return f"kept as {folder}/{name}.json and {name}.png"


def to_json(found: Any) -> Any:
    """As JSON has it: names for keys, and lists of numbers.

    >>> to_json({("ntk", 8): np.ones(2)})
    {'ntk 8': [1.0, 1.0]}
    """
    if isinstance(found, tuple) and hasattr(found, "_asdict"):
        found = found._asdict()
    if isinstance(found, dict):
        keys = [" ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in found]
        return dict(zip(keys, map(to_json, found.values()), strict=True))
    if isinstance(found, list | tuple):
        return [to_json(one) for one in found]
    return found.tolist() if hasattr(found, "tolist") else found
