"""Figures of training: losses, and disagreement with the baseline."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathjax.plots.style import BASELINE, epsilon_colors, with_epsilon_legend


def losses(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the losses of the baseline, and the range over members.

    Args:
        trajectory: `batch_loss`, `train_loss` and `test_loss` (step, member), the baseline first, each at its steps.
    """
    batch = trajectory.batch_loss.isel(member=0)
    ax.plot(batch[batch.dims[0]], batch, color="0.75", linewidth=0.6, label="batch", zorder=1)
    for name, color in (("train", "C0"), ("test", "C1")):
        values = trajectory[f"{name}_loss"]
        time = values.dims[0]
        ax.plot(values[time], values.isel(member=0), color=color, linewidth=1.8, label=name)
        ax.fill_between(values[time], values.min("member"), values.max("member"), color=color, alpha=0.2, linewidth=0)
    ax.set(yscale="log", xlabel="step", ylabel="cross-entropy [nats]")
    ax.legend()


def disagreement(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the percentage of test examples classified differently from the baseline (mean over seeds), and its errors.

    Args:
        trajectory: `test_agreement` and `test_accuracy` (step, member), the baseline first; members have `epsilon`.
    """
    values = 100 * (1 - trajectory.test_agreement)
    for epsilon, color in epsilon_colors(values).items():
        mean = values.isel(member=values.epsilon.values == epsilon).mean("member")
        ax.plot(mean[mean.dims[0]], mean, color=color, linewidth=1.6)
    errors = 100 * (1 - trajectory.test_accuracy.isel(member=0))
    ax.plot(errors[errors.dims[0]], errors, **BASELINE)
    with_epsilon_legend(ax, trajectory, [Line2D([], [], **BASELINE, label="baseline's test errors")])
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    ax.set(xlabel="step", ylabel="% of the test set")
