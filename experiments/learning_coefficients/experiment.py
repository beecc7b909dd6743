"""Are learning coefficients right? python -m experiments.learning_coefficients --workdir=DIR

Estimates the local learning coefficient by Langevin chains at a ladder of temperatures where it is known: for monomials
and for reduced-rank regression, at their most singular points; in 200 runs on a quadratic, where intervals should cover
in 90 to 98%; and, without a known answer, for networks along training. Each is a cell of a study, and several
processes may share the workdir. Writes learning_coefficients.json and a figure there.

An estimate counts as right if it is within 3 standard errors, of 0.02 or less, of the known value for a monomial, and
within 10% for reduced-rank regression.
"""

import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from pathjax.core.errors import require
from pathjax.experiments.learning_coefficients import training
from pathjax.experiments.learning_coefficients.problems import problem_of
from pathjax.experiments.runner import command_line, precision, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.plots import learning_coefficients as figures
from pathjax.reporting.tables import aligned, interval, number
from pathjax.sampling import Sampling, learning_coefficient

EXAMPLE = "python -m experiments.learning_coefficients --workdir=results/learning_coefficients"
VERSION = 2  # of the measurement
MONOMIALS, SHAPES = ("1x1", "1x2", "3x1"), ("3x3x2x1", "4x3x2x0", "5x4x3x1")
COVERAGE = 200  # runs on a quadratic
# Temperatures, from where laws are asymptotic to where chains still move; steps are for the full size.
LADDERS: dict[str, tuple[float, ...]] = {
    "monomial": tuple(100 * 6.0**level for level in range(10)),
    "reduced rank": tuple(50 * 2.0**level for level in range(8)),
    "quadratic": (1e4,),
}
CHAINS = {"monomial": 2000, "reduced rank": 300, "quadratic": 20}
STEPS = {"monomial": 1000, "reduced rank": 2000, "quadratic": 400}
WITHIN, EXACT = 0.10, 0.02  # for reduced-rank regression; the largest standard error for monomials


class Design(Group):
    """The settings of a cell."""

    what: str
    numbers: tuple[int, ...]
    num_chains: int
    num_steps: int


def measure(design: Design) -> dict:
    """Returns the energies at each temperature, and the coefficient."""
    if design.what == training.NAME:
        return standalone.to_json(training.measure(design.num_chains, design.num_steps))
    with precision.running_in("float64"):
        problem = problem_of(design.what, design.numbers)
        num = COVERAGE if design.what == "quadratic" else 1
        networks = jax.tree.map(lambda w: jnp.repeat(precision.stored("float64", w)[None], num, 0), problem.weights)
        sampling = Sampling(LADDERS[design.what], design.num_chains, design.num_steps)
        found = learning_coefficient(jax.random.key(0), problem.loss, networks, jnp.zeros(1), sampling)
    outcome: dict = {"known": problem.known, "accepted": found.accepted}
    names = ("values", "low", "high") + ("drifts", "drift_low", "drift_high") * (num == 1)
    outcome |= {name: standalone.rounded(getattr(found, name)) for name in names}
    outcome["temperatures"] = list(sampling.inverse_temperatures)
    if design.what != "quadratic":
        (outcome["fit"],) = found.extrapolated()
    return standalone.to_json(outcome)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables, and writes the figure."""
    parts: list[list[str]] = []
    known = [cell for cell in cells if cell.settings.what in ("monomial", "reduced rank")]
    if known:
        header = ("model", "coefficient", "estimate [95%]", "standard error", "multiplicity", "deviation", "verdict")
        parts.append(aligned([header, *(_row(cell) for cell in known)]))
    parts += [[_coverage(cell)] for cell in cells if cell.settings.what == "quadratic"]
    parts += [training.table(cell.outcome) for cell in cells if cell.settings.what == training.NAME]
    drawn = [{"name": _name(cell)} | cell.outcome for cell in cells if cell.settings.what != "quadratic"]
    parts.append([standalone.save_result(folder, "learning_coefficients", {"cells": drawn}, "", figures.ladders)])
    return "\n\n".join("\n".join(part) for part in parts)


def _name(cell: Cell) -> str:
    what, numbers = cell.settings.what, cell.settings.numbers
    if what == "monomial":
        return f"w1^{numbers[0]} w2^{numbers[1]}"
    return f"{what} {', '.join(map(str, numbers))}".strip()


def _row(cell: Cell) -> tuple[str, ...]:
    fit, (exact, multiplicity) = cell.outcome["fit"], cell.outcome["known"].values()
    off = fit["value"] - exact
    if cell.settings.what == "monomial":
        deviation, is_right = f"{off / fit['stderr']:.2f} standard errors", abs(off) < 3 * fit["stderr"] <= 3 * EXACT
    else:
        deviation, is_right = f"{100 * off / exact:.2g}%", abs(off) < WITHIN * exact
    estimate = interval(fit["value"], fit["low"], fit["high"])
    both = f"{fit['multiplicity']} (known: {multiplicity})"
    verdict = "right" if is_right else "wrong"
    return _name(cell), number(exact), estimate, number(fit["stderr"]), both, deviation, verdict


def _coverage(cell: Cell) -> str:
    low, high = (np.array(cell.outcome[name])[:, 0] for name in ("low", "high"))
    t, (dimension,) = cell.outcome["temperatures"][0], cell.settings.numbers
    exact = 0.5 * float(np.sum(t * np.logspace(-0.5, 1, dimension) / (t * np.logspace(-0.5, 1, dimension) + 1)))
    covered = np.mean((low <= exact) & (exact <= high))
    return f"Intervals of {len(low)} runs on a quadratic of {dimension} dimensions cover in {100 * covered:.3g}%."


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_list("monomials", list(MONOMIALS), "Powers a x b of w1^a w2^b.", flag_values=values)
    shapes = "Shapes of reduced-rank regression: inputs x outputs x hidden x rank."
    flags.DEFINE_list("shapes", list(SHAPES), shapes, flag_values=values)
    flags.DEFINE_bool("coverage", True, "Whether to count how often intervals cover.", flag_values=values)
    flags.DEFINE_bool("training", True, "Whether to follow networks along training.", flag_values=values)
    flags.DEFINE_float("size", 1.0, "Chains and steps, relative to the full size.", flag_values=values)


def _cells(values) -> list[Design]:
    wanted = [("monomial", text) for text in values.monomials] + [("reduced rank", text) for text in values.shapes]
    wanted += [("quadratic", "4")] * values.coverage
    cells = []
    for what, text in wanted:
        given = tuple(int(one) if one.isdecimal() else -1 for one in text.split("x"))
        require(min(given) >= 0, f"'{text}' must be numbers joined by x, such as 3x1")
        problem_of(what, given)
        chains = max(round(CHAINS[what] * values.size), 20)
        steps = 4 * max(round(STEPS[what] * values.size / 4), 5)
        cells.append(Design(what=what, numbers=given, num_chains=chains, num_steps=steps))
    if values.training:
        steps = 4 * max(round(training.STEPS * values.size / 4), 5)
        cells.append(Design(what=training.NAME, numbers=(), num_chains=training.CHAINS, num_steps=steps))
    return cells


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, {})
        require(0 < values.size <= 10, f"--size={values.size} is out of range: choose more than 0, up to 10")
        standalone.prepare()
        cells = _cells(values)
        command_line.make_folder(folder)
        run_study(Study("learning_coefficients", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
