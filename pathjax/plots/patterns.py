"""Figures of patterns that are learned one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.variables import take

COLORS = {"m": "C0", "c": "C1"}
FITTED: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.2}


def learning_curves(
    ax: Axes, trajectory: xr.Dataset, names: Mapping[str, str], fitted: Mapping[str, np.ndarray] | None = None
) -> None:
    """Draws the accuracy of all members on one-sided dominoes: thin for members, thick for their mean.

    Args:
        trajectory: `m_accuracy` and `c_accuracy` (step, ..., member).
        names: of the sides' data sets, by "m" and "c".
        fitted: curves float[step], by side, drawn dashed.
    """
    for side, name in names.items():
        values = take(trajectory, f"{side}_accuracy")
        time = values.dims[0]
        lines = values.stack(run=[dim for dim in values.dims if dim != time]).transpose(time, "run").values
        ax.plot(trajectory[time], lines, color=COLORS[side], alpha=0.15, linewidth=0.6)
        ax.plot(trajectory[time], lines.mean(1), color=COLORS[side], linewidth=2, label=f"only {name} (side {side})")
        if fitted is not None:
            label = "logistic, fitted" if side == "c" else None
            ax.plot(trajectory[time], fitted[side], **FITTED, label=label)
    ax.set(xlabel="step", ylabel="accuracy on one-sided dominoes", ylim=(0, 1.02))
    ax.legend(loc="lower right")


def conflicts(
    ax: Axes, trajectory: xr.Dataset, names: Mapping[str, str], predicted: Mapping[str, np.ndarray] | None = None
) -> None:
    """Draws the share of conflicting dominoes that each side decides; bands span all members.

    Args:
        trajectory: `conflict_m_accuracy` and `conflict_c_accuracy` (step, ..., member).
        names: of the sides' data sets, by "m" and "c".
        predicted: what the model says, float[step], by side, drawn dashed.
    """
    for side, name in names.items():
        values = take(trajectory, f"conflict_{side}_accuracy")
        time = values.dims[0]
        rest = [dim for dim in values.dims if dim != time]
        ax.plot(trajectory[time], values.mean(rest), color=COLORS[side], linewidth=2, label=f"{name} (side {side})")
        ends = values.min(rest), values.max(rest)
        ax.fill_between(trajectory[time], *ends, color=COLORS[side], alpha=0.2, linewidth=0)
        if predicted is not None:
            ax.plot(trajectory[time], predicted[side], **FITTED, label="model" if side == "c" else None)
    ax.set(xlabel="step", ylabel="share of conflicting dominoes", ylim=(0, 1.02))
    ax.legend(title="decided by", loc="center right")


def half_times(
    ax: Axes, times: Mapping[str, np.ndarray], kinds: Mapping[str, np.ndarray], label: str = "half-time"
) -> None:
    """Draws one point per run: the half-time of each side, relative to that of the baseline of its initialization.

    Args:
        times: float[init, member], by side; the first member is the baseline.
        kinds: which members are perturbed in which way, bool[member], by name.
        label: of the y axis.
    """
    rng = np.random.default_rng(0)  # of the jitter
    rows: Sequence[str] = [*kinds, "another initialization"]
    for side, own in times.items():
        at = 0.16 if side == "c" else -0.16
        first = own[np.isfinite(own[:, 0]), 0]
        typical = np.exp(np.log(first).mean()) if len(first) else np.nan
        for place, kind in enumerate(rows):
            ratio = own[:, 0] / typical if kind not in kinds else (own[:, kinds[kind]] / own[:, :1]).ravel()
            where = place + at + rng.uniform(-0.1, 0.1, len(ratio))
            ax.plot(where, ratio, ".", color=COLORS[side], markersize=5, alpha=0.7)
        ax.plot([], [], ".", color=COLORS[side], label=f"side {side}")
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set_xticks(range(len(rows)), [row.replace(" ", "\n", 1) for row in rows])
    ax.set(ylabel=f"{label} / that of the baseline")
    ax.legend()


def randomized(ax: Axes, trajectory: xr.Dataset, names: Mapping[str, str]) -> None:
    """Draws the area under the ROC curve where one side is randomized: what can be read off the other side alone.

    Args:
        trajectory: `m_randomized_auc` and `c_randomized_auc` (step, ..., member).
        names: of the sides' data sets, by "m" and "c".
    """
    for side, other in (("m", "c"), ("c", "m")):
        values = take(trajectory, f"{side}_randomized_auc")
        time = values.dims[0]
        rest = [dim for dim in values.dims if dim != time]
        label = f"{names[side]} randomized"
        ax.plot(trajectory[time], values.mean(rest), color=COLORS[other], linewidth=2, label=label)
        ends = values.min(rest), values.max(rest)
        ax.fill_between(trajectory[time], *ends, color=COLORS[other], alpha=0.2, linewidth=0)
    ax.axhline(0.5, color="0.5", linewidth=0.8)
    ax.set(xlabel="step", ylabel="area under the ROC curve", ylim=(0.45, 1.02))
    ax.legend(loc="center right")
