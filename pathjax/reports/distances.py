"""The report of all families of distances."""

import functools
import pathlib

from pathjax import family_plots as plots
from pathjax.reports import divergence
from pathjax.reports.page import Figure, Table, describe_training, write_page
from pathjax.results import Run
from pathjax.tables import EPSILON_HEADER, epsilon_rows, result_rows, warning_lines

END_HEADER = ("epsilon", "distance", "units matched", "scales balanced", "JS distance", "barrier [nats]", "Gaussian?")
END_NOTE = (
    "Medians over members at the end, in brackets the 16% and 84% quantiles. Independent networks have other initial "
    "weights and the same batches. Barrier: of the loss on the probe set, over the chord between the ends. Gaussian: "
    "p-values of Mardia's skewness and kurtosis of the members along two random directions; below 0.01 they are not."
)
PER_EPSILON = "Thin lines are members, thick ones medians, red dashes networks that were initialized independently."


def _by_epsilon(title: str, caption: str, name: str, label: str, scale: str = "log") -> Figure:
    draw = functools.partial(plots.by_epsilon, name=name, label=label, scale=scale)
    return Figure(title, f"{caption} {PER_EPSILON}", draw)


FIGURES = {
    "regimes": Figure(
        "What a distance means",
        "Behind each epsilon's curve is what most of its members are in. Grey: rounding alone goes as far. Blue: the "
        "derivative tells the distance to 5%. Orange: it does not. Red: as far as independent networks are from it.",
        plots.regime_map,
    ),
    "modules": Figure(
        "Where in the network",
        "Distances by module, relative to their start: a curve above the others is a layer that moves apart faster.",
        functools.partial(plots.by_group, by="module"),
    ),
    "kinds": Figure(
        "Weights and biases",
        "The same by kind of parameter.",
        functools.partial(plots.by_group, by="kind"),
    ),
    "norms": Figure(
        "Does the norm matter?",
        "Other norms and the angle, relative to their start: where curves part, few large or many small changes count.",
        plots.norms,
    ),
    "function": _by_epsilon(
        "Distance in function space",
        "Jensen-Shannon distance between what members and the baseline say of the probe set, a metric: it is 0 for "
        "networks that say the same, whatever their weights.",
        "probe_js_distance",
        "Jensen-Shannon distance",
    ),
    "counterfactual": Figure(
        "The baseline's answers as truth",
        "Cross-entropy of members with the baseline's probabilities as truth, less the baseline's own, which is the "
        f"least there can be; below some 1e-6 it is rounding. {PER_EPSILON}",
        lambda ax, trajectory: plots.by_epsilon(ax, _excess(trajectory), "excess", "cross-entropy in excess [nats]"),
    ),
    "layers": Figure(
        "Layers, whatever their units are called",
        "Angle between Gram matrices of a layer's outputs in member and baseline (linear centred kernel alignment): "
        "lines for the largest epsilon, dashes for independent networks. 0 is the same but for turns and scales.",
        plots.layers,
    ),
    "symmetries": Figure(
        "How much of the distance is symmetry",
        "Permuting hidden units changes weights and not the function: where a dashed curve lies below its full one, so "
        "much of the distance was that. Dots: units of both networks scaled to be balanced, by itself; weights are "
        "then smaller, so compare dots with dots.",
        plots.symmetries,
    ),
    "line": Figure(
        "On the way from the baseline",
        "Loss on the straight line to members at the end of training. A hump is a barrier between valleys. Dashes: the "
        "same once their units are matched. Bands span the members.",
        functools.partial(plots.line, set_name="probe"),
    ),
    "barrier": _by_epsilon(
        "Barriers along training",
        "The highest excess of the loss on the line over the chord between its ends; below some 1e-6 it is rounding.",
        "probe_barrier",
        "barrier [nats]",
    ),
    "variance": Figure(
        "The size of the cloud",
        "Total variance of the members of one epsilon in weight space, from inner products of all pairs.",
        functools.partial(plots.clouds, name="weight_variance", label="total variance [weight$^2$]", scale="log"),
    ),
    "function_variance": Figure(
        "The size of the cloud of functions",
        "The same for logits on the probe set, a mean over its examples.",
        functools.partial(plots.clouds, name="function_variance", label="total variance [logit$^2$]", scale="log"),
    ),
    "dimension": Figure(
        "The dimension of the cloud",
        "Participation ratio of its covariance in weight space: n members span n - 1 dimensions at most; a fall says "
        "that they line up along few directions.",
        functools.partial(plots.clouds, name="weight_participation", label="participation ratio", scale="linear"),
    ),
    "spectrum": Figure(
        "Its spectrum",
        "Eigenvalues of the covariance in function space at the end: a steep fall is a cloud of few dimensions.",
        functools.partial(plots.spectra, space="function"),
    ),
    "displacement": Figure(
        "How far the baseline goes",
        "Squared displacement since several steps. On these axes a slope of 1 is diffusion, 2 is straight ahead; "
        "curves that differ from waiting time to waiting time are ageing.",
        plots.displacements,
    ),
    "memory": Figure(
        "Memory of weights and function",
        "Correlation with what the baseline was at several steps: how soon its weights (dashes) and its function "
        "(lines) forget.",
        plots.function_memory,
    ),
    "two_times": Figure(
        "Memory between any two times",
        "Correlation of the baseline's weights at any two records, from random projections of them.",
        plots.two_times,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("What came out", (), result_rows(summary)),
        Table("Perturbed members, by size", EPSILON_HEADER, epsilon_rows(summary), divergence.EPSILON_NOTE),
        Table("Distances at the end", END_HEADER, _end_rows(summary["families"]), END_NOTE),
        Table("Regimes of all perturbed members and steps", (), _regime_rows(summary["families"])),
    ]
    lead = f"{summary['members']} copies {describe_training(run)}, measured by every distance there is."
    close = run._replace(trajectory=run.trajectory.isel(member=run.trajectory.role.values != "independent"))
    basic = {name: _of_close(figure, close) for name, figure in divergence.FIGURES.items()}
    write_page(folder, run, lead, tables, FIGURES | basic, warning_lines(summary))


def _excess(trajectory):
    loss = trajectory.probe_soft_counterfactual_loss
    return trajectory.assign(excess=loss - loss.isel(member=0, drop=True))


def _of_close(figure: Figure, close: Run) -> Figure:
    """A figure of the divergence experiment, which knows no independent networks."""
    return figure._replace(draw=lambda ax, _: figure.draw(ax, close.trajectory))


def _end_rows(families: dict) -> list[list[str]]:
    names = ("distance", "aligned_distance", "balanced_distance", "probe_js_distance", "probe_barrier")
    rows = [*families["at_the_end"].items(), ("independent", families["independent"])]
    return [[label, *(_text(row[name]) for name in names), _p_values(row)] for label, row in rows]


def _p_values(row: dict) -> str:
    values = [row.get(f"{name}_p") for name in ("skewness", "kurtosis")]
    return (
        "-" if any(value is None or value != value for value in values) else ", ".join(f"p = {v:.2g}" for v in values)
    )


def _text(value: dict) -> str:
    if any(value[key] is None or value[key] != value[key] for key in ("median", "low", "high")):
        return "-"
    return f"{value['median']:.3g} [{value['low']:.3g}, {value['high']:.3g}]"


def _regime_rows(families: dict) -> list[list[str]]:
    return [[name, f"{share:.1%}", "every record is counted: no error"] for name, share in families["regimes"].items()]
