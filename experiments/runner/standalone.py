"""Shared code of studies that take flags: a data set, widths and counts, a table and a figure."""

import pathlib
from collections.abc import Callable, Iterable, Sequence
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
    """Validates the flags that all such programs share, and returns the workdir, without creating it.

    Args:
        values: the flags, with a workdir, the counts and, if the program has it, a list of widths.
        counts: flags that are counts, with the minimum of each.
        least_widths: the minimum number of widths.

    Raises:
        InputError: if a flag is out of range.
    """
    logging.set_verbosity(logging.ERROR)  # JAX warns about accelerators that it did not find
    if "widths" in values:
        valid = len(values.widths) >= least_widths and all(w.isdecimal() and int(w) > 0 for w in values.widths)
        require(valid, f"--widths={','.join(values.widths)}: expected positive integers, as in --widths=64,256")
    for flag, least in counts.items():
        given = int(getattr(values, flag))
        require(given >= least, f"--{flag}={given} is out of range: choose {least} or more")
    return pathlib.Path(values.workdir)


def chosen_names(flag: str, given: Sequence[str], names: Iterable[str]) -> list[str]:
    """Returns the names that a flag lists, by themselves or by their numbers from 0.

    Raises:
        InputError: for another name or number.

    >>> chosen_names("networks", ["1", "a"], ["a", "b"])
    ['b', 'a']
    """
    known = list(names)
    chosen = [known[int(one)] if one.isdecimal() and int(one) < len(known) else one for one in given]
    for name in chosen:
        require(name in known, f"--{flag}: unknown '{name}', choose numbers 0 to {len(known) - 1}")
    return chosen


def prepare(num_devices: int | None = None) -> None:
    """Configures the devices, and matrix products at the highest precision."""
    devices.prepare(num_devices)
    jax.config.update("jax_default_matmul_precision", "highest")


def load(values: flags.FlagValues, batch_size: int) -> Dataset:
    """Loads the data set that --data and --data_dir name: real inputs or images, with classes, at least one batch.

    Raises:
        InputError: if the data set is missing or of another kind.
    """
    dataset = load_dataset(values.data, values.data_dir)
    (inputs, labels), other = dataset.train, f"--data={values.data}: choose another, such as digits"
    is_classes = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    require(is_classes and dataset.num_tokens is None, f"examples must be real vectors or images with classes; {other}")
    require(len(inputs) >= batch_size, f"{len(inputs)} examples are fewer than a batch of {batch_size}; {other}")
    return dataset


def save_result(folder: pathlib.Path, name: str, found: dict, title: str, draw: Callable) -> str:
    """Writes results, with versions and hardware, and their figure; returns a line that names the files.

    Args:
        folder: an existing folder.
        name: the name of name.json and name.png.
        found: the results that `draw` takes: arrays and numbers in NamedTuples, lists and dicts.
        title: the title of the figure.
        draw: `draw(axes, found)`.
    """
    write_json(folder / f"{name}.json", {name: to_json(found)} | environment())
    image = draw_png(Figure(title, "", draw), found)
    replace_file(folder / f"{name}.png", lambda path: path.write_bytes(image))
    return f"saved as {folder}/{name}.json and {name}.png"


def rounded(values: Any, digits: int = 4) -> Any:
    """Rounds nested numbers to significant digits, so that outcomes stay small.

    >>> rounded(np.array([[1.23456, 2.0]]), 3)
    [[1.23, 2.0]]
    """
    return [rounded(one, digits) for one in values] if np.ndim(values) else float(f"{values:.{digits}g}")


def to_json(found: Any) -> Any:
    """Converts results to JSON types: string keys, and lists of numbers.

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
