"""The report of the divergence experiment."""

import pathlib

from pathjax.experiments.divergence.tables import (
    EPSILON_HEADER,
    FINITE_SIZE_HEADER,
    FINITE_SIZE_NOTE,
    epsilon_rows,
    finite_size_rows,
    result_rows,
    warning_lines,
)
from pathjax.io.run_folder import Run
from pathjax.plots import autocorrelation, distance, exponents, growth, losses
from pathjax.reporting.page import Figure, Table, describe_training, write_page

EPSILON_NOTE = (
    "± is the standard deviation over members; brackets give the 16% and 84% quantiles. Growth: the distance at the "
    "end divided by the distance at the start. d/(eps |tangent|): the linear-response ratio at the end. Worst "
    "|ratio-1|: over all members and recorded steps. Agreement: the fraction of test examples that a member classifies "
    "as the baseline does, at the end."
)
FINITE_SIZE_FIGURE = Figure(
    "Growth rate by separation",
    "Dots show how fast members separate from the baseline as a function of their separation, with bars of two "
    "standard errors over directions. Dashes show how fast their tangents grow over the same steps. Where the dots lie "
    "on the dashes, the tangent and its Lyapunov exponent predict separations of that size.",
    exponents.finite_size,
)
FIGURES = {
    "distance": Figure(
        "Distance from the baseline",
        "Each thin line is a member, and each thick line is the median of an epsilon. The dotted line is the roundoff "
        "member, which differs from the baseline by one rounding error in one weight: distances near it are not "
        "meaningful. The replica is not drawn, as its distance is 0.",
        distance.distance,
    ),
    "collapse": Figure(
        "Do all epsilons follow the tangent?",
        "The same distances relative to their start. Where the curves lie on the dashed curve, the perturbation grows "
        "as its derivative predicts, for every epsilon. Where small epsilons rise above it, effects that no derivative "
        "sees drive them apart.",
        growth.collapse,
    ),
    "exponent": Figure(
        "Largest Lyapunov exponent",
        "The growth rate of an infinitesimal perturbation along the baseline's path: above 0 neighbors separate, below "
        "0 they converge. Training is not stationary, so read the gray windows first; the blue mean is a summary of "
        "the path so far, with an error from the spread of its parts. The tangent starts in a random direction, and "
        "until it has grown by a few nats it may not have aligned with the fastest one.",
        exponents.exponent,
    ),
    "finite_size": FINITE_SIZE_FIGURE,
    "autocorrelation": Figure(
        "How the weights decorrelate",
        "The cosine between the weights now and at earlier steps: 1 is the same direction, 0 is orthogonal. The band "
        "spans all members.",
        autocorrelation.autocorrelation,
    ),
    "losses": Figure(
        "Losses",
        "The baseline's losses; bands span all members. The batch loss is that of the step just taken.",
        losses.losses,
    ),
    "disagreement": Figure(
        "Does the function change?",
        "The share of test examples that members classify differently than the baseline does (the mean over seeds), "
        "compared with the baseline's error rate. Distant weights can classify alike. The axis is linear below 0.1%.",
        losses.disagreement,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("Results", (), result_rows(summary)),
        Table("Perturbed members, by epsilon", EPSILON_HEADER, epsilon_rows(summary), EPSILON_NOTE),
        Table("Growth rates, by separation", FINITE_SIZE_HEADER, finite_size_rows(summary), FINITE_SIZE_NOTE),
    ]
    write_page(folder, run, _lead(run), tables, FIGURES, warning_lines(summary))


def _lead(run):
    config = run.config
    epsilons = config["perturbation"]["epsilons"]
    how = "relative distances of {} to {} from the baseline, on the sphere of the initial weights"
    if config["perturbation"]["kind"] != "sphere":
        each = ", each tensor separately" if config["perturbation"]["per_leaf"] else ""
        how = f"absolute distances of {{}} to {{}} from the baseline{each}"
    return (
        f"{run.summary['members']} copies {describe_training(run)}, all on the same batches. They start at "
        + how.format(f"{min(epsilons):g}", f"{max(epsilons):g}")
        + "."
    )
