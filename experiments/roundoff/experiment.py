"""Compares how one rounding error grows in each precision: python -m experiments.roundoff --config=FILE --workdir=DIR

Makes the same run in each precision, as a separate process with the folder DIR/<precision>, and writes a table, a
figure and DIR/roundoff.json. It takes the flags of experiments.main, and does not repeat finished runs.
"""

import pathlib
import subprocess
import sys
from collections.abc import Sequence

import xarray as xr
from absl import flags

from pathjax.core.errors import require
from pathjax.experiments.main import REQUIRED, define_flags
from pathjax.experiments.runner import command_line
from pathjax.experiments.runner.precision import PRECISIONS
from pathjax.io import run_folder
from pathjax.plots.distance import roundoff
from pathjax.reporting.page import Figure, draw_png

FIGURE = Figure("One rounding error in one weight", "Distance to the baseline in each precision.", roundoff)


def report(workdir: pathlib.Path) -> str:
    """Compares finished runs in the folders of all precisions; returns the table."""
    runs = {name: run_folder.open_run(workdir / name) for name in PRECISIONS}
    rows = {name: _row(run.trajectory) for name, run in runs.items()}
    run_folder.write_json(workdir / "roundoff.json", rows)
    image = draw_png(FIGURE, {name: run.trajectory for name, run in runs.items()})
    run_folder.replace_file(workdir / "roundoff.png", lambda path: path.write_bytes(image))
    return _table(rows, runs["float32"].manifest["device"])


def _roundoff(trajectory: xr.Dataset) -> xr.DataArray:
    return trajectory.distance.isel(member=trajectory.role.values == "roundoff").isel(member=0)


def _row(run: xr.Dataset) -> dict:
    distance = _roundoff(run)
    start, end = float(distance[0]), float(distance[-1])
    return {
        "distance_at_start": start,
        "distance_at_end": end,
        "growth": end / start,
        "largest_distance": float(distance.max()),
        "test_accuracy": float(run.test_accuracy.isel(member=0)[-1]),
    }


def _table(rows: dict[str, dict], device: dict) -> str:
    lines = [
        "A member that differs by one unit in the last place of one weight, in each precision",
        f"({device['kind']}); one member each, no error bars:",
        f"{'':10}{'d at start':>12}{'d at end':>12}{'growth':>12}{'largest d':>12}{'baseline accuracy':>19}",
    ]
    for name, row in rows.items():
        numbers = "".join(f"{row[key]:12.2e}" for key in list(row)[:4])
        lines.append(f"{name:10}{numbers}{row['test_accuracy']:19.4f}")
    if any(row["distance_at_end"] == 0 for row in rows.values()):
        lines.append("At a distance of 0 the error was rounded away, and its line in the figure ends.")
    if device["platform"] == "cpu":
        lines.append("A CPU has no TF32: its products are those of float32.")
    return "\n".join(lines)


def _run_all(args: Sequence[str], workdir: pathlib.Path) -> None:
    given = [arg for arg in args if not arg.lstrip("-").startswith(("workdir", "config.precision"))]
    for name in PRECISIONS:
        print(f"{name}:", flush=True)
        own = [f"--config.precision={name}", f"--workdir={workdir / name}", "--resume"]
        done = subprocess.run([sys.executable, "-m", "pathjax.experiments.main", *given, *own], check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)  # the process has printed the reason


EXAMPLE = "python -m experiments.roundoff --config=configs/digits.py --workdir=results/roundoff"


def _main(argv) -> None:
    with command_line.one_line_errors():
        values = flags.FLAGS
        require(not values.distributed, "--distributed does not apply to experiments.roundoff: leave it out")
        _run_all(sys.argv[1:], pathlib.Path(values.workdir))
        print(f"\n{report(pathlib.Path(values.workdir))}\n\nfigure: {pathlib.Path(values.workdir) / 'roundoff.png'}")


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, REQUIRED, EXAMPLE)
