"""Figures of the straight line between two networks: the loss along it, and its barrier."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step
from pathjax.plots.variables import compared, take


def line(ax: Axes, trajectory: xr.Dataset, set_name: str) -> None:
    """Draws the loss on the line from the baseline to members at the end of training: the largest epsilon, other roles.

    Args:
        trajectory: `<set_name>_line_loss` and, if units were matched, `aligned_<set_name>_line_loss` (step, member,
            alpha); members have `role` and `epsilon`.
        set_name: name of the set of examples, such as "probe".
    """
    for i, (group, chosen) in enumerate(compared(trajectory).items()):
        for prefix, style, then in (("", "-", "unmatched"), ("aligned_", "--", "units matched")):
            name = f"{prefix}{set_name}_line_loss"
            if prefix and name not in trajectory:
                continue
            values = take(trajectory, name, "member", "alpha")[-1].isel(member=chosen)
            color = f"C{3 * i}"
            ax.plot(values.alpha, values.median("member"), style, color=color, linewidth=1.8, label=f"{group}, {then}")
            if not prefix:
                ends = values.min("member"), values.max("member")
                ax.fill_between(values.alpha, *ends, color=color, alpha=0.15, linewidth=0)
    label_against_step(ax, "cross-entropy [nats]")
    ax.set_xlabel("position on the line (0: baseline, 1: member)")


def barriers(ax: Axes, pairs: dict[int, list[dict]]) -> None:
    """Draws barriers of the test loss against width, unmatched and matched: dots are pairs, lines are means.

    Args:
        pairs: {width: one record per pair, with `test_barrier` and `aligned_test_barrier`}.
    """
    widths = list(pairs)
    for prefix, color, label in (("", "C3", "unmatched"), ("aligned_", "C0", "units matched")):
        values = [[float(record[f"{prefix}test_barrier"]) for record in records] for records in pairs.values()]
        for width, some in zip(widths, values, strict=True):
            ax.plot([width] * len(some), some, "o", color=color, alpha=0.5, markersize=5)
        ax.plot(widths, [np.mean(some) for some in values], color=color, linewidth=1.8, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.set_yscale("symlog", linthresh=1e-3)  # the barrier of matched networks may be 0
    ax.set(ylim=(-1e-4, None), xlabel="width of both hidden layers", ylabel="barrier of the test loss [nats]")
    ax.legend()
