"""The report of the distances experiment."""

import functools
import pathlib

from pathjax.experiments.distances.summary import END_COLUMNS, SPACES, end_rows, memory_rows, normality_rows, percent
from pathjax.experiments.divergence import report
from pathjax.experiments.divergence.tables import EPSILON_HEADER, epsilon_rows, result_rows, warning_lines
from pathjax.io.run_folder import Run
from pathjax.plots import (
    autocorrelation,
    barriers,
    clouds,
    displacements,
    distance,
    function_space,
    growth,
    layers,
    regimes,
    symmetries,
)
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number

END_HEADER = ("epsilon", *END_COLUMNS.values())
END_NOTE = (
    "Medians over members at the end; brackets give the 16% and 84% quantiles. Independent networks have other initial "
    "weights and the same batches. Barrier: the excess of the loss on the probe set over the chord between the ends; "
    "matched: units are matched by weights."
)
NORMALITY_HEADER = ("epsilon", *(f"{space}s: {name}" for space in SPACES for name in ("skewness", "kurtosis")))
NORMALITY_NOTE = (
    "Are the members of one epsilon a Gaussian cloud at the end? Mardia's test is applied to their projections on 200 "
    "random planes. The table shows the share of planes that are rejected at a level of 5%; a Gaussian cloud gives 5%. "
    "All planes use the same members, so an error cannot be estimated. Few members reveal only large deviations."
)
MEMORY_NOTE = (
    "Integrated correlation times of the baseline: how long it remembers its earlier state. If the cosine stays high "
    "during the whole run, the time cannot be estimated."
)
INVARIANCE_NOTE = (
    "Largest change of a logit on the probe set, relative to the largest logit, over all members and records; it has "
    "no error. It is 0 up to rounding."
)
SHADES = "The background of each epsilon's curve shows the regime of its distance in weight space."
PER_EPSILON = "Thin lines are members, thick lines medians, red dashes independently initialized networks."


def _by_epsilon(title: str, caption: str, name: str, label: str, scale: str = "log") -> Figure:
    draw = functools.partial(distance.by_epsilon, name=name, label=label, scale=scale)
    return Figure(title, f"{caption} {PER_EPSILON} {SHADES}", draw)


FIGURES = {
    "regimes": Figure(
        "Regimes of the distance",
        "The background of each epsilon's curve shows the regime of most of its members. Gray: rounding alone reaches "
        "this distance. Blue: the derivative predicts the distance within 5%. Orange: it does not. Red: members are as "
        "far from the baseline as independent networks.",
        regimes.regime_map,
    ),
    "modules": Figure(
        "Where in the network",
        "Distances by module, relative to their start: a curve above the others is a layer that diverges faster.",
        functools.partial(growth.by_group, by="module"),
    ),
    "kinds": Figure(
        "Weights and biases",
        "The same by kind of parameter: where biases lie above kernels, offsets diverge faster than directions.",
        functools.partial(growth.by_group, by="kind"),
    ),
    "norms": Figure(
        "Does the norm matter?",
        "Other norms and the angle, relative to their start. Where curves separate, the changes are either few and "
        "large or many and small.",
        growth.norms,
    ),
    "norm_growth": Figure(
        "How norms grow",
        "The norm of the weights relative to its start. Where all curves coincide, the size of the weights does not "
        f"depend on the path, whatever else does. {PER_EPSILON}",
        lambda ax, trajectory: distance.by_epsilon(ax, _norm_growth(trajectory), "growth", "$|w(t)|/|w(0)|$", "linear"),
    ),
    "function": _by_epsilon(
        "Distance in function space",
        "Jensen-Shannon distance between the predictions of members and baseline on the probe set, a metric: it is 0 "
        "for networks with the same predictions, whatever their weights.",
        "probe_js_distance",
        "Jensen-Shannon distance",
    ),
    "sets": Figure(
        "Where functions differ",
        "The same distance on training, test and probe set: lines for the largest epsilon, dashes for independent "
        "networks. Where the training set's curve falls below the test set's, training fixes predictions only there.",
        functools.partial(function_space.sets, measure="js_distance", label="Jensen-Shannon distance [nats$^{1/2}$]"),
    ),
    "counterfactual": Figure(
        "The baseline's predictions as labels",
        "Cross-entropy of members with the baseline's probabilities as labels, minus the baseline's own, which is the "
        f"minimum; values below about 1e-6 are rounding. {PER_EPSILON} {SHADES}",
        lambda ax, trajectory: distance.by_epsilon(ax, _excess(trajectory), "excess", "cross-entropy in excess [nats]"),
    ),
    "layers": Figure(
        "Layers, independent of the order of units",
        "Angle between the Gram matrices of a layer's outputs in member and baseline (linear centered kernel "
        "alignment): lines for the largest epsilon, dashes for independent networks. 0 means equal up to rotations and "
        "scales.",
        layers.layers,
    ),
    "symmetries": Figure(
        "How much of the distance is symmetry",
        "Permuting hidden units changes the weights but not the function. The gap between the solid curve and a dashed "
        "curve, with units matched by their weights or by their activations, is the part of the distance that is a "
        "permutation. Dots: units of both networks are scaled to be balanced; weights are then smaller, so compare "
        "dots only with dots. Matching by activations ignores the weights, and may increase their distance.",
        symmetries.symmetries,
    ),
    "line": Figure(
        "Loss on the line from the baseline",
        "Loss on the straight line to members at the end of training. A hump is a barrier between valleys. Dashes: the "
        "same after matching units. Bands span the members.",
        functools.partial(barriers.line, set_name="probe"),
    ),
    "barrier": _by_epsilon(
        "Barriers during training",
        "The highest excess of the loss on the line over the chord between its ends; below about 1e-6 it is rounding.",
        "probe_barrier",
        "barrier [nats]",
    ),
    "pairs": Figure(
        "All pairs of members",
        "Distances in weight space at the end. A dark square on the diagonal is a group that stayed together; a "
        "uniform color elsewhere means that all paths are as far from each other as from the baseline.",
        functools.partial(clouds.pairs, space="weight", label="distance [weight]"),
    ),
    "function_pairs": Figure(
        "All pairs of functions",
        "The same for logits on the probe set, root mean square over its examples.",
        functools.partial(clouds.pairs, space="function", label="distance [logit]"),
    ),
    "density": Figure(
        "The density of distances",
        "Distances between members of one epsilon in weight space: the median, and bands with 50% and 90% of all "
        "pairs. Where a band widens, some paths stay together and others separate.",
        functools.partial(clouds.density, space="weight", label="distance between members [weight]"),
    ),
    "function_density": Figure(
        "The density of distances between functions",
        "The same for logits on the probe set, root mean square over its examples.",
        functools.partial(clouds.density, space="function", label="distance between members [logit]"),
    ),
    "variance": Figure(
        "The size of the cloud",
        "Total variance of the members in weight space, one curve per epsilon, from inner products of all pairs: a "
        "straight rise is exponential growth, and a flat end means that the cloud has stopped spreading.",
        functools.partial(clouds.clouds, name="weight_variance", label="total variance [weight$^2$]", scale="log"),
    ),
    "function_variance": Figure(
        "The size of the cloud of functions",
        "The same for logits on the probe set, averaged over its examples: where it falls while weights spread, "
        "training brings functions together.",
        functools.partial(clouds.clouds, name="function_variance", label="total variance [logit$^2$]", scale="log"),
    ),
    "dimension": Figure(
        "The dimension of the cloud",
        "Participation ratio of the covariance of one epsilon's members in weight space: n members span at most n - 1 "
        "dimensions; where it falls, they align along few directions.",
        functools.partial(clouds.clouds, name="weight_participation", label="participation ratio", scale="linear"),
    ),
    "spectrum": Figure(
        "The spectrum of the cloud",
        "Eigenvalues of the covariance in function space at the end, for each epsilon: a steep fall means a cloud of "
        "few dimensions.",
        functools.partial(clouds.spectra, space="function"),
    ),
    "displacement": Figure(
        "Displacement of the baseline",
        "Squared displacement since several steps. On these axes a slope of 1 is diffusion and a slope of 2 is "
        "ballistic motion; curves that depend on the waiting time show aging.",
        displacements.displacements,
    ),
    "memory": Figure(
        "Memory of weights and function",
        "Correlation with the baseline at several earlier steps: how fast its weights (dashes) and its function "
        "(lines) forget.",
        autocorrelation.function_memory,
    ),
    "two_times": Figure(
        "Memory between any two steps",
        "Correlation of the baseline's weights at any two records, from their random projections: a bright band that "
        "widens to the upper right is memory that lasts longer the later it begins.",
        autocorrelation.two_times,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary, families = run.summary, run.summary["families"]
    tables = [
        Table("Results", (), result_rows(summary)),
        Table("Perturbed members, by epsilon", EPSILON_HEADER, epsilon_rows(summary), report.EPSILON_NOTE),
        Table("Distances at the end", END_HEADER, end_rows(families), END_NOTE),
        Table("Regimes of all perturbed members and steps", (), _regime_rows(families)),
        Table("Are the clouds Gaussian?", NORMALITY_HEADER, normality_rows(families), NORMALITY_NOTE),
        Table("How long memory lasts", (), memory_rows(families), MEMORY_NOTE),
        Table("Do symmetries preserve the function?", (), _invariance_rows(families), INVARIANCE_NOTE),
    ]
    lead = f"{summary['members']} copies {describe_training(run)}, measured by all distances."
    close = run._replace(trajectory=run.trajectory.isel(member=run.trajectory.role.values != "independent"))
    basic = {name: _of_close(figure, close) for name, figure in report.FIGURES.items()}
    write_page(folder, run, lead, tables, FIGURES | basic, warning_lines(summary))


def _norm_growth(trajectory):
    return trajectory.assign(growth=trajectory.weight_norm / trajectory.weight_norm[0])


def _excess(trajectory):
    loss = trajectory.probe_soft_counterfactual_loss
    return trajectory.assign(excess=loss - loss.isel(member=0, drop=True))


def _of_close(figure: Figure, close: Run) -> Figure:
    """Returns a figure of the divergence experiment, without the independent networks, which it cannot draw."""
    return figure._replace(draw=lambda ax, _: figure.draw(ax, close.trajectory))


def _invariance_rows(families: dict) -> list[tuple[str, str]]:
    return [(name, number(error)) for name, error in families["largest_invariance_error"].items()]


def _regime_rows(families: dict) -> list[list[str]]:
    return [[name, percent(share), "over all records; no error bar"] for name, share in families["regimes"].items()]
