"""The report of the divergence experiment."""

import pathlib

import numpy as np

from pathjax.analysis.exponents import exponent_curve
from pathjax.experiments.divergence.summary import finite_size
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
    "± is the standard deviation over members; in brackets the 16% and 84% quantiles. Growth: distance at the end over "
    "distance at the start. d/(eps |tangent|): the linear-response ratio at the end; worst |ratio-1|: over all members "
    "and recorded steps. Agreement: fraction of test examples classified as by the baseline, at the end."
)
FINITE_SIZE_FIGURE = Figure(
    "Growth rate by separation",
    "Dots: how fast members separate from the baseline, by how far from it they are; bars of two standard errors over "
    "directions. Dashes: how fast their tangents grow over the same steps. Where dots lie on dashes, the tangent and "
    "its Lyapunov exponent tell what separations of that size do.",
    lambda ax, trajectory: exponents.finite_size(ax, finite_size(trajectory)),
)
FIGURES = {
    "distance": Figure(
        "How far the members go",
        "Each thin line is a member, each thick one the median of its epsilon. The dotted line is a member that "
        "differs from the baseline by one rounding error in one weight: a distance near it means nothing. The "
        "replica is not drawn: its distance is 0.",
        distance.distance,
    ),
    "collapse": Figure(
        "All sizes on the tangent?",
        "The same distances divided by their start. Where the curves lie on the dashed one, the perturbation grows as "
        "its derivative says, whatever its size; where small epsilons leave it upwards, something that no derivative "
        "sees drives them apart.",
        growth.collapse,
    ),
    "exponent": Figure(
        "Largest Lyapunov exponent",
        "Growth rate of an infinitesimal perturbation along the baseline's path: above 0 neighbors separate, below 0 "
        "they come together. Training is not stationary, so read the gray windows first; the blue mean is a summary "
        "of the path so far, with an error from the spread of its parts. The tangent starts in a random direction: "
        "while it has grown by less than a few nats in all it need not yet have turned to the fastest one.",
        lambda ax, trajectory: exponents.exponent(ax, _curve(trajectory)),
    ),
    "finite_size": FINITE_SIZE_FIGURE,
    "autocorrelation": Figure(
        "How the weights decorrelate",
        "The cosine between the weights now and at earlier steps: 1 is the same direction, 0 nothing in common. The "
        "band spans all members.",
        autocorrelation.autocorrelation,
    ),
    "losses": Figure(
        "Losses",
        "The baseline's losses; bands span all members. The batch loss is that of the step just taken.",
        losses.losses,
    ),
    "disagreement": Figure(
        "Does it matter for the function?",
        "The share of test examples that members give another class than the baseline does (the mean over seeds), "
        "beside the baseline's errors. Weights can be far apart and classify alike. The axis is linear below 0.1%.",
        losses.disagreement,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("What came out", (), result_rows(summary)),
        Table("Perturbed members, by size", EPSILON_HEADER, epsilon_rows(summary), EPSILON_NOTE),
        Table("Growth rates, by separation", FINITE_SIZE_HEADER, finite_size_rows(summary), FINITE_SIZE_NOTE),
    ]
    write_page(folder, run, _lead(run), tables, FIGURES, warning_lines(summary))


def _lead(run):
    config = run.config
    epsilons = config["perturbation"]["epsilons"]
    how = "a relative distance of {} to {} from the baseline, on the sphere of the initial weights"
    if config["perturbation"]["kind"] != "sphere":
        each = ", each tensor by itself" if config["perturbation"]["per_leaf"] else ""
        how = f"an absolute distance of {{}} to {{}} from the baseline{each}"
    return (
        f"{run.summary['members']} copies {describe_training(run)}, all on the same batches. They start "
        + how.format(f"{min(epsilons):g}", f"{max(epsilons):g}")
        + "."
    )


def _curve(trajectory):
    steps = trajectory[trajectory.log_growth.dims[0]].values
    return exponent_curve(trajectory.log_growth.isel(tangent=0).values[1:], int(np.diff(steps[:2])[0]))
