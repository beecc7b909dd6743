"""The report of all families of distances."""

import functools
import pathlib

from pathjax.experiments.distances.summary import CLOUDS, END_COLUMNS, end_rows, memory_rows, normality_rows, percent
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
    "Medians over members at the end, in brackets the 16% and 84% quantiles. Independent networks have other initial "
    "weights and the same batches. Barrier: of the loss on the probe set, over the chord between the ends; matched by "
    "weights."
)
NORMALITY_HEADER = ("epsilon", *(f"{space}s: {name}" for space in CLOUDS for name in ("skewness", "kurtosis")))
NORMALITY_NOTE = (
    "Are the members of one epsilon a Gaussian cloud at the end? Their projections on 200 random planes are tested "
    "(Mardia): the part of planes in which they are not, at a level of 5%; so 5% are expected of a Gaussian cloud. All "
    "planes are of the same members, so there is no error; few members show great deviations alone."
)
MEMORY_NOTE = (
    "Integrated correlation times of the baseline: how long it remembers what it was. A cosine that stays high within "
    "the run has none that could be told."
)
INVARIANCE_NOTE = (
    "Largest change of a logit on the probe set, relative to the largest logit; the largest of all members and "
    "records, which has no error. 0 but for rounding."
)
SHADES = "Behind each epsilon's curve: the regime that its distance in weight space is in."
PER_EPSILON = "Thin lines are members, thick ones medians, red dashes networks that were initialized independently."


def _by_epsilon(title: str, caption: str, name: str, label: str, scale: str = "log") -> Figure:
    draw = functools.partial(distance.by_epsilon, name=name, label=label, scale=scale)
    return Figure(title, f"{caption} {PER_EPSILON} {SHADES}", draw)


FIGURES = {
    "regimes": Figure(
        "What a distance means",
        "Behind each epsilon's curve is what most of its members are in. Gray: rounding alone goes as far. Blue: the "
        "derivative tells the distance to 5%. Orange: it does not. Red: as far as independent networks are from it.",
        regimes.regime_map,
    ),
    "modules": Figure(
        "Where in the network",
        "Distances by module, relative to their start: a curve above the others is a layer that moves apart faster.",
        functools.partial(growth.by_group, by="module"),
    ),
    "kinds": Figure(
        "Weights and biases",
        "The same by kind of parameter: where biases lie above kernels, offsets move apart faster than directions.",
        functools.partial(growth.by_group, by="kind"),
    ),
    "norms": Figure(
        "Does the norm matter?",
        "Other norms and the angle, relative to their start: where curves part, few large or many small changes count.",
        growth.norms,
    ),
    "norm_growth": Figure(
        "How norms grow",
        "The norm of the weights relative to its start. Where all curves lie on one, how large weights get does not "
        f"depend on the path, whatever else does. {PER_EPSILON}",
        lambda ax, trajectory: distance.by_epsilon(ax, _norm_growth(trajectory), "growth", "$|w(t)|/|w(0)|$", "linear"),
    ),
    "function": _by_epsilon(
        "Distance in function space",
        "Jensen-Shannon distance between what members and the baseline say of the probe set, a metric: it is 0 for "
        "networks that say the same, whatever their weights.",
        "probe_js_distance",
        "Jensen-Shannon distance",
    ),
    "sets": Figure(
        "Where functions differ",
        "The same distance on training, test and probe set: lines for the largest epsilon, dashes for independent "
        "networks. Where the training set's curve falls below the test set's, training ties answers down there alone.",
        functools.partial(function_space.sets, measure="js_distance", label="Jensen-Shannon distance [nats$^{1/2}$]"),
    ),
    "counterfactual": Figure(
        "The baseline's answers as truth",
        "Cross-entropy of members with the baseline's probabilities as truth, less the baseline's own, which is the "
        f"least there can be; below some 1e-6 it is rounding. {PER_EPSILON} {SHADES}",
        lambda ax, trajectory: distance.by_epsilon(ax, _excess(trajectory), "excess", "cross-entropy in excess [nats]"),
    ),
    "layers": Figure(
        "Layers, whatever their units are called",
        "Angle between Gram matrices of a layer's outputs in member and baseline (linear centered kernel alignment): "
        "lines for the largest epsilon, dashes for independent networks. 0 is the same but for turns and scales.",
        layers.layers,
    ),
    "symmetries": Figure(
        "How much of the distance is symmetry",
        "Permuting hidden units changes weights and not the function: where a dashed curve, with units matched by "
        "their weights or by what they do, lies below the full one, so much of the distance was that. Dots: units of "
        "both networks scaled to be balanced, by itself; weights are then smaller, so compare dots with dots. Matching "
        "by activations takes no account of weights, and may bring them further apart.",
        symmetries.symmetries,
    ),
    "line": Figure(
        "On the way from the baseline",
        "Loss on the straight line to members at the end of training. A hump is a barrier between valleys. Dashes: the "
        "same once their units are matched. Bands span the members.",
        functools.partial(barriers.line, set_name="probe"),
    ),
    "barrier": _by_epsilon(
        "Barriers along training",
        "The highest excess of the loss on the line over the chord between its ends; below some 1e-6 it is rounding.",
        "probe_barrier",
        "barrier [nats]",
    ),
    "pairs": Figure(
        "All pairs of members",
        "Distances in weight space at the end. A dark square along the diagonal is a group that stayed together; the "
        "same color everywhere else says that all paths are as far from each other as from the baseline.",
        functools.partial(clouds.pairs, space="weight", label="distance [weight]"),
    ),
    "function_pairs": Figure(
        "All pairs of functions",
        "The same of logits on the probe set, root mean square over its examples.",
        functools.partial(clouds.pairs, space="function", label="distance [logit]"),
    ),
    "density": Figure(
        "The density of distances",
        "Distances between members of one epsilon in weight space: the median, and bands with half and 90% of all "
        "pairs. A band that widens is a cloud in which some paths stay together and others part.",
        functools.partial(clouds.density, space="weight", label="distance between members [weight]"),
    ),
    "function_density": Figure(
        "The density of distances between functions",
        "The same of logits on the probe set, root mean square over its examples.",
        functools.partial(clouds.density, space="function", label="distance between members [logit]"),
    ),
    "variance": Figure(
        "The size of the cloud",
        "Total variance of the members in weight space, a curve for each epsilon, from inner products of all pairs: a "
        "straight rise is exponential growth, a flat end says that the cloud has stopped to spread.",
        functools.partial(clouds.clouds, name="weight_variance", label="total variance [weight$^2$]", scale="log"),
    ),
    "function_variance": Figure(
        "The size of the cloud of functions",
        "The same for logits on the probe set, a mean over its examples: where it falls while weights spread, training "
        "brings functions together.",
        functools.partial(clouds.clouds, name="function_variance", label="total variance [logit$^2$]", scale="log"),
    ),
    "dimension": Figure(
        "The dimension of the cloud",
        "Participation ratio of the covariance of one epsilon's members in weight space: n members span n - 1 "
        "dimensions at most; a fall says that they line up along few directions.",
        functools.partial(clouds.clouds, name="weight_participation", label="participation ratio", scale="linear"),
    ),
    "spectrum": Figure(
        "Its spectrum",
        "Eigenvalues of the covariance in function space at the end, for each epsilon: a steep fall is a cloud of few "
        "dimensions.",
        functools.partial(clouds.spectra, space="function"),
    ),
    "displacement": Figure(
        "How far the baseline goes",
        "Squared displacement since several steps. On these axes a slope of 1 is diffusion, 2 is straight ahead; "
        "curves that differ from waiting time to waiting time are ageing.",
        displacements.displacements,
    ),
    "memory": Figure(
        "Memory of weights and function",
        "Correlation with what the baseline was at several steps: how soon its weights (dashes) and its function "
        "(lines) forget.",
        autocorrelation.function_memory,
    ),
    "two_times": Figure(
        "Memory between any two times",
        "Correlation of the baseline's weights at any two records, from random projections of them: a bright band that "
        "widens to the right above is memory that lasts the longer, the later it begins.",
        autocorrelation.two_times,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    summary, families = run.summary, run.summary["families"]
    tables = [
        Table("What came out", (), result_rows(summary)),
        Table("Perturbed members, by size", EPSILON_HEADER, epsilon_rows(summary), report.EPSILON_NOTE),
        Table("Distances at the end", END_HEADER, end_rows(families), END_NOTE),
        Table("Regimes of all perturbed members and steps", (), _regime_rows(families)),
        Table("Gaussian?", NORMALITY_HEADER, normality_rows(families), NORMALITY_NOTE),
        Table("How long memory lasts", (), memory_rows(families), MEMORY_NOTE),
        Table("Do symmetries leave the function as it is?", (), _invariance_rows(families), INVARIANCE_NOTE),
    ]
    lead = f"{summary['members']} copies {describe_training(run)}, measured by every distance there is."
    close = run._replace(trajectory=run.trajectory.isel(member=run.trajectory.role.values != "independent"))
    basic = {name: _of_close(figure, close) for name, figure in report.FIGURES.items()}
    write_page(folder, run, lead, tables, FIGURES | basic, warning_lines(summary))


def _norm_growth(trajectory):
    return trajectory.assign(growth=trajectory.weight_norm / trajectory.weight_norm[0])


def _excess(trajectory):
    loss = trajectory.probe_soft_counterfactual_loss
    return trajectory.assign(excess=loss - loss.isel(member=0, drop=True))


def _of_close(figure: Figure, close: Run) -> Figure:
    """A figure of the divergence experiment, which knows no independent networks."""
    return figure._replace(draw=lambda ax, _: figure.draw(ax, close.trajectory))


def _invariance_rows(families: dict) -> list[tuple[str, str]]:
    return [(name, number(error)) for name, error in families["largest_invariance_error"].items()]


def _regime_rows(families: dict) -> list[list[str]]:
    return [[name, percent(share), "every record is counted: no error"] for name, share in families["regimes"].items()]
