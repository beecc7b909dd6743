"""A finished run's folder -> figures and one self-contained HTML page."""

import base64
import html
import io
import json
import pathlib
import string
from collections.abc import Callable

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from pathjax import plotting
from pathjax.analysis.exponents import exponent_curve
from pathjax.results import replace_file
from pathjax.tables import EPSILON_HEADER, epsilon_rows, nonfinite_lines, result_rows

TEMPLATE = pathlib.Path(__file__).with_name("report.template.html")

# name -> (title, how to read it, how to draw it)
FIGURES: dict[str, tuple[str, str, Callable]] = {
    "distance": (
        "How far the members go",
        "Each thin line is a member, each thick one the median of its epsilon. The dotted line is a member that "
        "differs from the baseline by one rounding error in one weight: a distance near it means nothing. The "
        "replica is not drawn: its distance is 0.",
        plotting.distance,
    ),
    "collapse": (
        "All sizes on the tangent?",
        "The same distances divided by their start. Where the curves lie on the dashed one, the perturbation grows as "
        "its derivative says, whatever its size; where small epsilons leave it upwards, something that no derivative "
        "sees drives them apart.",
        plotting.collapse,
    ),
    "exponent": (
        "Largest Lyapunov exponent",
        "Growth rate of an infinitesimal perturbation along the baseline's path: above 0 neighbours separate, below 0 "
        "they come together. Training is not stationary, so read the grey windows first; the blue mean is a summary "
        "of the path so far, with an error from the spread of its parts. The tangent starts in a random direction: "
        "while it has grown by less than a few nats in all it need not yet have turned to the fastest one.",
        lambda ax, trajectory: plotting.exponent(ax, _curve(trajectory)),
    ),
    "autocorrelation": (
        "How the weights decorrelate",
        "The cosine between the weights now and at earlier steps: 1 is the same direction, 0 nothing in common. The "
        "band spans all members.",
        plotting.autocorrelation,
    ),
    "losses": (
        "Losses",
        "The baseline's losses; bands span all members. The batch loss is that of the step just taken.",
        plotting.losses,
    ),
    "disagreement": (
        "Does it matter for the function?",
        "The share of test examples that members give another class than the baseline does (the mean over seeds), "
        "beside the baseline's errors. Weights can be far apart and classify alike. The axis is linear below 0.1%.",
        plotting.disagreement,
    ),
}


def write_figures(folder: pathlib.Path, trajectory: xr.Dataset) -> None:
    """Draw every figure of a trajectory into `folder`/figures."""
    for name, (title, _, draw) in FIGURES.items():
        image = _png(draw, title, trajectory)
        replace_file(folder / "figures" / f"{name}.png", lambda path, image=image: path.write_bytes(image))


def write_report(folder: pathlib.Path, config: dict, manifest: dict, summary: dict) -> None:
    """Write `folder`/report.html from the run's data and the figures that lie in the folder."""
    figures = "\n".join(_figure(folder, name) for name in FIGURES)
    page = string.Template(TEMPLATE.read_text()).substitute(
        title=html.escape(f"pathjax: {config.get('name', 'run')}"),
        lead=html.escape(_lead(config, summary)),
        results=_table((), result_rows(summary)),
        perturbed=_table(EPSILON_HEADER, epsilon_rows(summary)),
        verdict=html.escape(summary["linear_response"]["verdict"]),
        nonfinite="".join(f"<p class='warn'>{html.escape(line)}</p>" for line in nonfinite_lines(summary)),
        figures=figures,
        config=html.escape(json.dumps(config, indent=2)),
        manifest=html.escape(json.dumps(manifest, indent=2)),
    )
    replace_file(folder / "report.html", lambda path: path.write_text(page))


def _lead(config, summary):
    data, model, optimizer = config["data"], config["model"], config["optimizer"]
    epsilons = config["perturbation"]["epsilons"]
    widths = "-".join(str(width) for width in model["widths"])
    how = "a relative distance of {} to {} from the baseline, on the sphere of the initial weights"
    if config["perturbation"]["kind"] != "sphere":
        each = ", each tensor by itself" if config["perturbation"]["per_leaf"] else ""
        how = f"an absolute distance of {{}} to {{}} from the baseline{each}"
    return (
        f"{summary['members']} copies of a {model['activation']} network (hidden widths {widths or 'none'}) trained "
        f"for {summary['steps']} steps on {data['name']} by {optimizer['name']} (learning rate "
        f"{optimizer['learning_rate']:g}, batch {data['batch_size']}), all on the same batches. They start "
        + how.format(f"{min(epsilons):g}", f"{max(epsilons):g}")
        + "."
    )


def _curve(trajectory):
    steps = trajectory[trajectory.log_growth.dims[0]].values
    return exponent_curve(trajectory.log_growth.isel(tangent=0).values[1:], int(np.diff(steps[:2])[0]))


def _png(draw, title, trajectory) -> bytes:
    with matplotlib.rc_context(plotting.STYLE):  # type: ignore[arg-type]
        figure = Figure()
        axes = figure.subplots()
        draw(axes, trajectory)
        axes.set_title(title, fontweight="bold")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figure(folder, name):
    title, how_to_read, _ = FIGURES[name]
    data = base64.b64encode((folder / "figures" / f"{name}.png").read_bytes()).decode()
    return (
        f"<figure><img alt='{html.escape(title, quote=True)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{html.escape(how_to_read)}</figcaption></figure>"
    )


def _table(header, rows):
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table>{f'<tr>{head}</tr>' if header else ''}{body}</table></div>"
