"""Figures of training: losses, and disagreement with the baseline."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathjax.core.errors import require
from pathjax.plots.style import (
    BASELINE,
    epsilon_colors,
    lines_by_role,
    logarithmic,
    show_single_points,
    with_epsilon_legend,
)
from pathjax.plots.variables import sets_of, take


def losses(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the losses of the baseline, and the range over members.

    Args:
        trajectory: `<set>_loss` (step, member) of each set, the baseline first, each at its steps; and `batch_loss`, if
            it was recorded.
    """
    names = sets_of(trajectory, "loss")
    missing = "the data have no loss: record batch_loss() or classification(...) of pathjax.observables"
    require(names or "batch_loss" in trajectory, missing)
    if "batch_loss" in trajectory:
        batch = take(trajectory, "batch_loss", "member").isel(member=0)
        ax.plot(batch[batch.dims[0]], batch, color="0.75", linewidth=0.6, label="batch", zorder=1)
    for i, name in enumerate(names):
        values = take(trajectory, f"{name}_loss", "member")
        time, color = values.dims[0], f"C{i}"
        ax.plot(values[time], values.isel(member=0), linewidth=1.8, label=name, color=color)
        ax.fill_between(values[time], values.min("member"), values.max("member"), alpha=0.2, linewidth=0, color=color)
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="cross-entropy [nats]")
    ax.legend()
    show_single_points(ax)


def disagreement(ax: Axes, trajectory: xr.Dataset, set_name: str = "test") -> None:
    """Draws the percentage of examples classified differently from the baseline (mean over members), and its errors.

    Args:
        trajectory: `<set_name>_agreement` and, for the errors, `<set_name>_accuracy` (step, member), the baseline
            first; members have `role` and `epsilon`.
        set_name: name of the set of examples.
    """
    values = 100 * (1 - take(trajectory, f"{set_name}_agreement", "member"))
    for epsilon, color in epsilon_colors(values).items():
        mean = values.isel(member=values.epsilon.values == epsilon).mean("member")
        ax.plot(mean[mean.dims[0]], mean, color=color, linewidth=1.6)
    handles = lines_by_role(ax, values, without=("baseline", "replica", "roundoff"))
    if f"{set_name}_accuracy" in trajectory:
        errors = 100 * (1 - take(trajectory, f"{set_name}_accuracy", "member").isel(member=0))
        ax.plot(errors[errors.dims[0]], errors, **BASELINE)
        handles.append(Line2D([], [], **BASELINE, label=f"baseline's {set_name} errors"))
    with_epsilon_legend(ax, trajectory, handles)
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    ax.set(xlabel="step", ylabel=f"% of the {set_name} set")
