"""A page for any rollout: what was recorded decides what is drawn."""

import functools
import os
import pathlib

import numpy as np
import xarray as xr

from pathjax.core.errors import InputError, require
from pathjax.engine.rollout import Rollout
from pathjax.io.to_xarray import to_dataset
from pathjax.plots.records import caption, is_drawn, record
from pathjax.reporting.page import Figure, Page, Table, write_html
from pathjax.reporting.tables import number


def report(result: Rollout, folder: str | os.PathLike, title: str = "A rollout") -> pathlib.Path:
    """Writes one self-contained page about a rollout: a figure of each record, and a table of the last values.

    Args:
        result: of `pathjax.rollout`.
        folder: where the page and its figures go; it is made if it does not exist.
        title: of the page.

    Returns:
        The path of the page, `folder`/report.html.

    Raises:
        InputError: if `result` is not a Rollout, or is a sweep; if nothing was recorded; or if the folder cannot be
            created.

    >>> import jax.numpy as jnp, pathjax, tempfile
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> parts = (doubling, pathjax.independent_ensemble(doubling, jnp.ones((2, 4))), jnp.zeros(1))
    >>> result = pathjax.rollout(*parts, pathjax.full_batch_schedule(1, 4), [pathjax.observables.weight_norm()])
    >>> report(result, tempfile.mkdtemp()).name
    'report.html'
    """
    is_rollout = isinstance(result, Rollout)
    require(is_rollout, f"result must be what pathjax.rollout returns, not of type {type(result).__name__}")
    is_sweep = result.ensemble.state.step.ndim == 2
    require(not is_sweep, "a report is of one rollout, not of a sweep: roll out the setting in question by itself")
    require(result.recorded, "nothing was recorded: give the rollout observables, such as weight_distance()")
    data, folder = to_dataset(result), pathlib.Path(folder)
    steps = max(int(own[-1]) for own in result.steps.values())
    lead = f"{steps} steps. Members: {result.ensemble.members.described()}."
    names = [str(name) for name in data.data_vars]
    drawn = [name for name in names if is_drawn(data[name])]
    left = [name for name in names if name not in drawn]
    lines = [f"Not drawn, as they have several dimensions beside time and member: {', '.join(left)}."] if left else []
    figures = {name: _figure(data[name]) for name in drawn}
    details = {"Result": repr(result), "Arrays, as pathjax.to_dataset returns them": str(data)}
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}): give a folder of your own") from error
    return write_html(folder, Page(title, lead, lines, [_last_values(data)], figures, details), data)


def _figure(values: xr.DataArray) -> Figure:
    name, what = str(values.name), str(values.attrs.get("long_name", values.name))
    words = f"{what[:1].upper()}{what[1:]}. {caption(values)}"
    return Figure(name.replace("_", " "), words, functools.partial(record, name=name))


def _last_values(data: xr.Dataset) -> Table:
    """Returns a table of the last value of each number per member: of the baseline, and by epsilon."""
    epsilons = np.unique(data.epsilon.values[data.epsilon.values > 0])
    header = ("record", "unit", "baseline", *(f"epsilon {epsilon:g}" for epsilon in epsilons))
    rows = []
    for name, values in data.data_vars.items():
        if values.dims[1:] == ("member",):
            last = values.isel({values.dims[0]: -1})
            groups = [last.values[data.epsilon.values == epsilon] for epsilon in epsilons]
            cells = [_median(group) for group in groups]
            rows.append((str(name), str(values.attrs.get("units", "")), number(float(last[0])), *cells))
    return Table("Last values", header, rows, "Median over members, with their range. The baseline is one run.")


def _median(values: np.ndarray) -> str:
    low, middle, high = (number(float(one)) for one in (values.min(), np.median(values), values.max()))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"
