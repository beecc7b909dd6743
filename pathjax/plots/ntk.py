"""Figures of tangent kernels."""

import numpy as np
from matplotlib.axes import Axes


def drift(ax: Axes, cells: dict) -> None:
    """Draws drift against width, one line per parametrization, with the standard deviation over initializations.

    Args:
        cells: {(parametrization, width): a result with `drift`, float[initialization]}.
    """
    for name in dict.fromkeys(name for name, _ in cells):
        widths = [width for own, width in cells if own == name]
        values = [np.asarray(cells[name, width].drift) for width in widths]
        means, sds = [v.mean() for v in values], [v.std(ddof=1) for v in values]
        ax.errorbar(widths, means, sds, marker="o", capsize=3, label=name)
    ax.set(xscale="log", yscale="log", xlabel="width", ylabel="$|\\Theta_T - \\Theta_0| / |\\Theta_0|$")
    ax.set_xticks(sorted({width for _, width in cells}), [str(w) for w in sorted({width for _, width in cells})])
    ax.minorticks_off()
    ax.legend(title="parametrization", loc="center left", bbox_to_anchor=(1.0, 0.5))
