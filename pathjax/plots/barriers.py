"""Figures of the straight line between two networks: the loss on it, and its barrier."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step, largest_epsilon


def line(ax: Axes, trajectory: xr.Dataset, set_name: str) -> None:
    """The loss on the way from the baseline to members at the end of training, as they are and matched.

    Args:
        trajectory: `<set_name>_line_loss` and `aligned_<set_name>_line_loss` (step, member, alpha); members carry
            `role` and `epsilon`.
        set_name: of examples, such as "probe".
    """
    roles = {"perturbed": trajectory.epsilon.values == largest_epsilon(trajectory)}
    roles["independent"] = trajectory.role.values == "independent"
    for i, (role, chosen) in enumerate(roles.items()):
        label = f"$\\varepsilon$ = {largest_epsilon(trajectory):g}" if role == "perturbed" else role
        for prefix, style, then in (("", "-", "as they are"), ("aligned_", "--", "units matched")):
            values = trajectory[f"{prefix}{set_name}_line_loss"][-1].isel(member=chosen)
            color = f"C{3 * i}"
            ax.plot(values.alpha, values.median("member"), style, color=color, linewidth=1.8, label=f"{label}, {then}")
            if not prefix:
                ax.fill_between(
                    values.alpha, values.min("member"), values.max("member"), color=color, alpha=0.15, linewidth=0
                )
    label_against_step(ax, "cross-entropy [nats]")
    ax.set_xlabel("place on the line: 0 the baseline, 1 the member")


def barriers(ax: Axes, pairs: dict[int, list[dict]]) -> None:
    """Barriers of the test loss against width, as networks are and matched: dots are pairs, lines go through means.

    Args:
        pairs: {width: a record for each pair, with `test_barrier` and `aligned_test_barrier`}.
    """
    widths = list(pairs)
    for prefix, color, label in (("", "C3", "as they are"), ("aligned_", "C0", "units matched")):
        values = [[float(record[f"{prefix}test_barrier"]) for record in records] for records in pairs.values()]
        for width, some in zip(widths, values, strict=True):
            ax.plot([width] * len(some), some, "o", color=color, alpha=0.5, markersize=5)
        ax.plot(widths, [np.mean(some) for some in values], color=color, linewidth=1.8, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.set_yscale("symlog", linthresh=1e-3)  # matched networks may have none
    ax.set(ylim=(-1e-4, None), xlabel="width of both hidden layers", ylabel="barrier of the test loss [nats]")
    ax.legend()
