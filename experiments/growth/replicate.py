"""Ours beside the runs recorded in 2023: python -m experiments.growth.replicate --runs=DIR[,DIR]

DIR is a folder of `python -m experiments.main --config=configs/hoogland2023.py`. z is the recorded number less our
mean, over the standard deviation that one more initialization would have around it: the recorded runs are of one.
Of several runs, in float32 and float64 say, growth is compared initialization by initialization.
"""

import math
import pathlib

import numpy as np
import xarray as xr
from absl import flags
from scipy import stats

from pathjax.configs.hoogland2023 import get_config
from pathjax.core.errors import require
from pathjax.experiments.growth.summary import QUANTITIES
from pathjax.experiments.runner import command_line
from pathjax.io import run_folder
from pathjax.reporting.tables import aligned, number

EXAMPLE = "python -m experiments.growth.replicate --runs=results/hoogland2023"
# (quantity, size, step): (mean over ten directions of one initialization, their standard deviation, if it is recorded)
RECORDED: dict[tuple[str, float | None, int], tuple[float, float | None]] = {
    ("growth", 1e-2, 1000): (1.058, 0.009),
    ("growth", 1e-2, 8000): (1.250, 0.057),
    ("exponent", 1e-2, 8000): (0.084, 0.022),
    ("agreement", 1e-2, 8000): (0.9993, None),
    ("growth", 1e-1, 1000): (1.050, 0.011),
    ("growth", 1e-1, 8000): (1.198, 0.050),
    ("exponent", 1e-1, 8000): (0.065, 0.017),
    ("agreement", 1e-1, 8000): (0.9953, None),
    ("accuracy", None, 1000): (0.886, None),
    ("accuracy", None, 8000): (0.9335, None),
    ("loss", None, 1000): (0.445, None),
    ("loss", None, 8000): (0.236, None),
}
HEADER = ("", "size", "at step", "recorded", "here ± between initializations", "z", "within 95%")


def define_flags(values: flags.FlagValues, argv) -> None:
    """The program's flags."""
    flags.DEFINE_string("runs", None, "Folders of runs, with commas between them.", flag_values=values)


def comparison(rows: list[dict]) -> list[tuple[str, ...]]:
    """A line of text for each of our rows, beside the recorded number where there is one."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        recorded, sd = RECORDED.get((row["quantity"], row["epsilon"], row["step"]), (None, None))
        size = "" if row["epsilon"] is None else f"{row['epsilon']:g}"
        here = f"{number(row['mean'])} ± {number(row['sd_inits'])}"
        beside = "" if recorded is None else number(recorded) + (f" ± {number(sd)}" if sd is not None else "")
        found.append((QUANTITIES[row["quantity"]], size, str(row["step"]), beside, here, *_judged(row, recorded)))
    return found


def _judged(row: dict, recorded: float | None) -> tuple[str, str]:
    """z of the recorded number among our initializations, and whether one in twenty is further away."""
    if recorded is None or not row["sd_inits"] > 0:
        return "", ""
    n = row["num_inits"]
    z = (recorded - row["mean"]) / (row["sd_inits"] * math.sqrt(1 + 1 / n))
    return f"{z:+.2f}", "yes" if abs(z) < stats.t.ppf(0.975, n - 1) else "no"


def _check_same(name: str, config: dict) -> None:
    """Raise InputError for a run that is of something else than the recorded ones."""
    wanted = get_config().to_dict()
    for group in ("data", "model", "optimizer"):
        for key, value in wanted[group].items():
            given = config[group].get(key, value)  # what older runs do not name, they had no choice of
            same = key == "data_dir" or given == value or list(np.atleast_1d(given)) == list(np.atleast_1d(value))
            require(same, f"{name} has {group}.{key} {given}, and the recorded runs {value}: expected a run of theirs")
    for key in ("kind", "per_leaf"):
        same = config["perturbation"][key] == wanted["perturbation"][key]
        require(same, f"{name} has another perturbation.{key} than the recorded runs: expected a run of theirs")


def paired(first: xr.Dataset, other: xr.Dataset) -> list[tuple[str, str, str]]:
    """For each size, growth in the other run less that in the first, over initializations that both have, with a
    confidence interval of 95%; and the largest of single directions in the one and in the other, which has none."""
    rows = [("size", "d(end)/d(0), less the first run's, with a confidence interval of 95%", "largest")]
    growths = [_growth(run) for run in (first, other)]
    for epsilon in np.unique(growths[0].epsilon):
        one, two = (growth.sel(member=growth.epsilon == epsilon).mean("member") for growth in growths)
        differences = (two - one).dropna("init").values  # aligned by the initialization's seed
        n = len(differences)
        half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
        largest = " and ".join(number(float(g.sel(member=g.epsilon == epsilon).max())) for g in growths)
        rows.append((f"{epsilon:g}", f"{number(differences.mean())} ± {number(half)} ({n} initializations)", largest))
    return rows


def _growth(trajectory: xr.Dataset) -> xr.DataArray:
    return trajectory.distance_growth.sel(member=trajectory.role == "perturbed").isel(step=-1)


def _main(_) -> None:
    runs: list[xr.Dataset] = []
    with command_line.one_line_errors():
        for name in flags.FLAGS.runs.split(","):
            run = run_folder.open_run(pathlib.Path(name))
            require(
                run.config.get("experiment") == "growth",
                f"{name} holds no run of it: give a folder of --config=configs/hoogland2023.py",
            )
            _check_same(name, run.config)
            print(f"{name} ({run.config['precision']}, {run.summary['initializations']} initializations)\n")
            print("\n".join(aligned([HEADER, *comparison(run.summary["rows"])])))
            roundoff = run.summary["roundoff_distance"]
            runs.append(run.trajectory)
            print(f"\none rounding error at the beginning ends at {number(min(roundoff))} to {number(max(roundoff))}\n")
        for name, other in zip(flags.FLAGS.runs.split(",")[1:], runs[1:], strict=True):
            print(f"{name} beside {flags.FLAGS.runs.split(',')[0]}\n\n" + "\n".join(aligned(paired(runs[0], other))))


if __name__ == "__main__":
    command_line.run_program(_main, define_flags, ("runs",), EXAMPLE)
