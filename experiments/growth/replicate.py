"""Compares runs with those recorded in 2023: python -m experiments.growth.replicate --runs=DIR[,DIR]

DIR is a folder of `python -m experiments.main --config=configs/hoogland2023.py`. z is the recorded value minus our
mean, divided by the standard deviation of one more initialization around it, because the recorded runs have one. The
growth of several runs, in float32 and float64 for example, is compared initialization by initialization.
"""

import math
import pathlib

import numpy as np
import xarray as xr
from absl import flags
from scipy import stats

from pathjax.analysis.statistics import half_interval
from pathjax.configs.hoogland2023 import get_config
from pathjax.core.errors import require
from pathjax.experiments.growth.summary import QUANTITIES
from pathjax.experiments.runner import command_line
from pathjax.io import run_folder
from pathjax.reporting.tables import aligned, number

EXAMPLE = "python -m experiments.growth.replicate --runs=results/hoogland2023"
# (quantity, epsilon, step): (mean over ten directions of one initialization, their standard deviation, if recorded)
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
HEADER = ("", "epsilon", "at step", "recorded", "here ± between initializations", "z", "within 95%")


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("runs", None, "Run folders, separated by commas.", flag_values=values)


def comparison(rows: list[dict]) -> list[tuple[str, ...]]:
    """Returns a line of text for each of our rows, with the recorded value if there is one."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        recorded, sd = RECORDED.get((row["quantity"], row["epsilon"], row["step"]), (None, None))
        size = "" if row["epsilon"] is None else f"{row['epsilon']:g}"
        here = f"{number(row['mean'])} ± {number(row['sd_inits'])}"
        beside = "" if recorded is None else number(recorded) + (f" ± {number(sd)}" if sd is not None else "")
        found.append((QUANTITIES[row["quantity"]], size, str(row["step"]), beside, here, *_judged(row, recorded)))
    return found


def _judged(row: dict, recorded: float | None) -> tuple[str, str]:
    """Returns z of the recorded value among our initializations, and whether it lies within the 95% interval."""
    if recorded is None or not row["sd_inits"] > 0:
        return "", ""
    n = row["num_inits"]
    z = (recorded - row["mean"]) / (row["sd_inits"] * math.sqrt(1 + 1 / n))
    return f"{z:+.2f}", "yes" if abs(z) < stats.t.ppf(0.975, n - 1) else "no"


def _check_same(name: str, config: dict) -> None:
    """Raises InputError if a run differs from the recorded ones in data, model, optimizer or perturbation."""
    wanted = get_config().to_dict()
    for group in ("data", "model", "optimizer"):
        for key, value in wanted[group].items():
            given = config[group].get(key, value)  # older runs lack settings that they could not choose
            same = key == "data_dir" or given == value or list(np.atleast_1d(given)) == list(np.atleast_1d(value))
            require(same, f"{name} has {group}.{key} {given}: expected {value}, as in the recorded runs")
    for key in ("kind", "per_leaf"):
        same = config["perturbation"][key] == wanted["perturbation"][key]
        require(same, f"{name} has another perturbation.{key}: expected that of the recorded runs")


def paired(first: xr.Dataset, other: xr.Dataset) -> list[tuple[str, str, str]]:
    """Returns a row for each epsilon that compares the growth of two runs over their common initializations.

    Its cells are the growth in the other run minus that in the first, with a 95% confidence interval, and the largest
    growth of a single direction in each, without an error.
    """
    rows = [("epsilon", "d(end)/d(0) minus that of the first run, with a 95% confidence interval", "largest")]
    growths = [_growth(run) for run in (first, other)]
    for epsilon in np.unique(growths[0].epsilon):
        one, two = (growth.sel(member=growth.epsilon == epsilon).mean("member") for growth in growths)
        differences = (two - one).dropna("init").values  # aligned by the initialization's seed
        n = len(differences)
        half = float(half_interval(differences))
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
                f"{name} is not a run of experiment 'growth': give a folder of --config=configs/hoogland2023.py",
            )
            _check_same(name, run.config)
            print(f"{name} ({run.config['precision']}, {run.summary['initializations']} initializations)\n")
            print("\n".join(aligned([HEADER, *comparison(run.summary["rows"])])))
            roundoff = run.summary["roundoff_distance"]
            runs.append(run.trajectory)
            print(f"\none rounding error at the start ends at {number(min(roundoff))} to {number(max(roundoff))}\n")
        for name, other in zip(flags.FLAGS.runs.split(",")[1:], runs[1:], strict=True):
            first = flags.FLAGS.runs.split(",")[0]
            print(f"{name} compared with {first}\n\n" + "\n".join(aligned(paired(runs[0], other))))


if __name__ == "__main__":
    command_line.run_program(_main, define_flags, ("runs",), EXAMPLE)
