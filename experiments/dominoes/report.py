"""The report of the dominoes experiment."""

import pathlib

from pathjax.analysis.curve_fits import logistic
from pathjax.experiments.dominoes.half_times import SIDES, half_times, kinds_of
from pathjax.experiments.dominoes.model import conflicts, fits
from pathjax.experiments.dominoes.summary import (
    ENDS_HEADER,
    FITS,
    MODEL,
    NOTE,
    SHARES,
    SPREADS,
    ends,
    fit_rows,
    model_rows,
    share_rows,
    spread_rows,
)
from pathjax.io.run_folder import Run
from pathjax.plots import patterns, sankey
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import replica_row

SHARES_NOTE = (
    "Shares of the variance over initializations and orders of batches, which are crossed, with 95% intervals. One run "
    "for each pair: the interaction cannot be separated from the rest."
)
FITS_NOTE = (
    "chance + (1 - chance) prevalence / (1 + exp(-speed (step - half-time))), fitted to the baseline of each "
    "initialization. The residual is that of their mean."
)
MODEL_NOTE = (
    "The model takes the measured shares that know each pattern, from one-sided dominoes, and predicts the others: if "
    "patterns are learned independently, two-sided dominoes are answered by either, and of conflicting ones the "
    "preferred pattern decides where it is known. Difference: measured less predicted, where it is largest."
)


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    controls = [
        replica_row(summary["replica_largest_distance"]),
        ("members that became infinite or NaN", str(summary["not_finite"]), ""),
        ("members in which another side was first than in their baseline", _differ(summary), ""),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, of {summary['initializations']} initializations, in "
        f"one program. The upper side of a domino shows {summary['sides']['m']}, the lower one {summary['sides']['c']}."
    )
    tables = [
        Table("What is known in the end", ENDS_HEADER, ends(summary)),
        Table("How much depends on the path", SPREADS, spread_rows(summary), NOTE),
    ]
    if summary["shares"]:
        tables.append(Table("Initialization or order of batches?", SHARES, share_rows(summary), SHARES_NOTE))
    tables += [
        Table("Learning curves", FITS, fit_rows(summary), FITS_NOTE),
        Table("Where does the model of patterns hold?", MODEL, model_rows(summary), MODEL_NOTE),
        Table("Controls", (), controls),
    ]
    write_page(folder, run, lead, tables, _figures(summary), [], [summary["verdict"]])


def _differ(summary: dict) -> str:
    return f"{summary['first']['differs_from_baseline']} of {summary['members']}"


def _figures(summary: dict) -> dict[str, Figure]:
    names, chance = summary["sides"], summary["chance"]

    def curves(ax, trajectory):
        found = fits(trajectory, chance)
        steps = trajectory[trajectory.m_accuracy.dims[0]].values
        fitted = {side: _mean_logistic(fit, steps, chance) for side, fit in found.items()}
        patterns.learning_curves(ax, trajectory, names, fitted)

    def decided(ax, trajectory):
        best = conflicts(trajectory, chance)[summary["preference"]]
        patterns.conflicts(ax, trajectory, names, {side: one.predicted for side, one in best.items()})

    def times(ax, trajectory):
        each = {side: half_times(trajectory, side, chance) for side in SIDES}
        patterns.half_times(ax, each, kinds_of(trajectory))

    return {
        "curves": Figure(
            "When is each pattern learned?",
            "Accuracy on test dominoes that show only one side: thin lines are members, thick ones their mean. Dashed: "
            "the model's logistic curves, means over initializations.",
            curves,
        ),
        "conflicts": Figure(
            "Which side decides where they conflict?",
            "Test dominoes whose sides show different classes. Lines are means, and bands span all members. Dashed: "
            f"the model with {summary['preference']}, from what is known of each side.",
            decided,
        ),
        "half_times": Figure(
            "What do half-times depend on?",
            "One point per run: the step at which half of a pattern is learned, relative to the baseline that it is a "
            "copy of; initializations, relative to their geometric mean.",
            times,
        ),
        "randomized": Figure(
            "What can be read off one side?",
            "Two-sided test dominoes in which one side's images are permuted. At 0.5 the other side is not used.",
            lambda ax, trajectory: patterns.randomized(ax, trajectory, names),
        ),
        "counts": Figure(
            "Where images go",
            "Images of each set on the left; training dominoes, and images that no domino shows, on the right.",
            lambda ax, trajectory: sankey.dominoes(ax, summary["counts"], names),
        ),
    }


def _mean_logistic(fit, steps, chance: float):
    """Returns the mean over initializations of their fitted curves."""
    return sum(logistic(steps, own, chance) for own in fit.of_units) / len(fit.of_units)
