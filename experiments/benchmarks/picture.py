"""Draws the tables as one picture: each program's time relative to the first program's."""

import pathlib

import matplotlib
import matplotlib.pyplot as plt

from pathjax.io.run_folder import replace_file

matplotlib.use("Agg")


def draw(tables: dict[str, dict], path: pathlib.Path) -> bool:
    """Draws one panel per suite with ratios, as bars with quartiles; returns whether there was any."""
    suites = {title: table["rows"] for title, table in tables.items() if "rounds" in table}
    if not suites:
        return False
    heights = [len(rows) + 1.2 for rows in suites.values()]
    figure, axes = plt.subplots(
        len(suites), figsize=(9, 0.38 * sum(heights)), layout="constrained", squeeze=False, height_ratios=heights
    )
    for ax, (title, rows) in zip(axes[:, 0], suites.items(), strict=True):
        _panel(ax, title, rows)
    replace_file(path, lambda temporary: figure.savefig(temporary, dpi=150))
    plt.close(figure)
    return True


def _panel(ax, title: str, rows: dict[str, dict]) -> None:
    names = list(rows)
    ratios = [rows[name]["ratio"] for name in names]
    low, high = zip(*(rows[name]["ratio_quartiles"] for name in names), strict=True)
    errors = [
        [max(0, r - a) for r, a in zip(ratios, low, strict=True)],
        [max(0, b - r) for r, b in zip(ratios, high, strict=True)],
    ]
    ax.barh(names, ratios, xerr=errors, color=["tab:blue"] + ["tab:gray"] * (len(names) - 1), height=0.6)
    for i, ratio in enumerate(ratios):
        ax.text(0.01 * max(ratios), i, f"{ratio:.2f}", va="center", color="white", fontsize=8)
    ax.invert_yaxis()
    ax.set_title(title, fontsize=9, loc="left")
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("time relative to the first program; error bars: quartiles", fontsize=7)
