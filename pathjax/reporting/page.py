"""Report pages: figures as PNG, tables, and one self-contained HTML file."""

import base64
import html
import io
import json
import pathlib
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure as MatplotlibFigure

from pathjax.io.run_folder import Run, replace_file
from pathjax.plots.style import STYLE
from pathjax.reporting.arms import arm_words, loss_words
from pathjax.reporting.noise import has_own_noise, noise_words

FRAME_MS, LAST_MS = 120, 2000  # how long frames of a film are shown
TEMPLATE = pathlib.Path(__file__).with_name("page.html")


class Figure(NamedTuple):
    """A figure's title, how to read it, and `draw(axes, trajectory)`.

    A film has `num_frames`, and `draw(axes, trajectory, frame)`. `size` is in inches; None: that of all figures.
    """

    title: str
    caption: str
    draw: Callable
    num_frames: int | None = None
    size: tuple[float, float] | None = None


class Table(NamedTuple):
    """A table of text under a heading; `note` describes its values. A large table can be `folded`."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    folded: bool = False


class Page(NamedTuple):
    """What a page says: a title, a lead, lines under it, tables, figures by file name, and folded texts by heading."""

    title: str
    lead: str
    lines: Sequence[str]
    tables: Sequence[Table]
    figures: dict[str, Figure]
    details: dict[str, str]
    warnings: Sequence[str] = ()


def write_html(folder: pathlib.Path, page: Page, data: Any) -> pathlib.Path:
    """Draws the figures of `data` into `folder`/figures, and writes `folder`/report.html with the figures embedded."""
    for name, figure in page.figures.items():
        draw = draw_png if figure.num_frames is None else draw_gif
        replace_file(folder / "figures" / _file_of(name, figure), _writing(draw(figure, data)))
    text = string.Template(TEMPLATE.read_text()).substitute(
        title=html.escape(page.title),
        lead=html.escape(page.lead),
        warnings="".join(f"<p class='warn'>{html.escape(line)}</p>" for line in page.warnings),
        tables="\n".join(_table(table) for table in page.tables),
        verdict=_verdict(page.lines),
        figures="\n".join(_figure(folder, name, figure) for name, figure in page.figures.items()),
        details="\n".join(
            f"<details><summary>{html.escape(heading)}</summary><pre>{html.escape(text)}</pre></details>"
            for heading, text in page.details.items()
        ),
    )
    replace_file(folder / "report.html", lambda path: path.write_text(text))
    return folder / "report.html"


def write_page(
    folder: pathlib.Path,
    run: Run,
    lead: str,
    tables: Sequence[Table],
    figures: dict[str, Figure],
    warnings: Sequence[str],
    verdict: Sequence[str] | None = None,
) -> None:
    """Writes the page of a run of an experiment. The verdict defaults to that on linear response."""
    lines = run.summary["linear_response"]["verdict"].splitlines() if verdict is None else list(verdict)
    lines = [noise_words(run.trajectory), *lines] if has_own_noise(run.config) else lines
    arms = arm_words(run.config)
    others = "Among the members are arms, which differ from the baseline in hyperparameters and in nothing else"
    lines = [f"{others} ({arms}).", *lines] if arms else lines
    details = {
        "Configuration": json.dumps(run.config, indent=2),
        "Manifest: versions, device, times": json.dumps(run.manifest, indent=2),
    }
    title = f"pathjax: {run.config.get('name', 'run')}"
    write_html(folder, Page(title, lead, lines, tables, figures, details, warnings), run.trajectory)


def describe_training(run: Run) -> str:
    """Describes what was trained, in words that begin with "of"."""
    config, summary = run.config, run.summary
    data, model, optimizer = config["data"], config["model"], config["optimizer"]
    widths = "-".join(str(width) for width in model["widths"])
    settings = {name: value for name, value in optimizer.items() if isinstance(value, (int, float)) and value}
    listed = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items())
    listed += f", batch {data['batch_size']:g}" if data["batch_size"] else ", full batch"
    kind = {"mlp": "network"}.get(model["name"], model["name"].replace("_", " "))
    only_attention = model["name"] == "transformer" and not model["hidden"]
    kind = "transformer of attention alone" if only_attention else f"{model['activation']} {kind}"
    scaled = "" if model["parametrization"] == "standard" else f", {model['parametrization']} parametrization"
    sizes = f" ({'hidden widths' if model['name'] == 'mlp' else 'widths'} {widths or 'none'}{scaled})"
    if ":" in model["name"]:  # the user's own, which need not heed the settings
        kind, sizes = f"network {model['name']}", ""
    scheduled = "" if optimizer["schedule"] == "constant" else f", {optimizer['schedule']} schedule"
    return (
        f"of a {kind}{sizes} trained for {summary['steps']} "
        f"steps on {data['name']} by {optimizer['name']} ({listed}{scheduled}){loss_words(config)}"
    )


def draw_png(figure: Figure, trajectory: Any, *frame: int) -> bytes:
    """Returns a figure, or one frame of a film, as the bytes of a PNG file."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        canvas = MatplotlibFigure(figsize=figure.size)
        axes = canvas.subplots()
        figure.draw(axes, trajectory, *frame)
        axes.set_title(figure.title, fontweight="bold")
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_gif(figure: Figure, trajectory: Any) -> bytes:
    """Returns a film as the bytes of an animated GIF file, which repeats for ever and rests at its last frame."""
    from PIL import Image

    pngs = [draw_png(figure, trajectory, frame) for frame in range(figure.num_frames or 0)]
    frames = [Image.open(io.BytesIO(png)).convert("P", palette=Image.Palette.ADAPTIVE, colors=64) for png in pngs]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="gif", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return buffer.getvalue()


def _file_of(name: str, figure: Figure) -> str:
    return f"{name}.png" if figure.num_frames is None else f"{name}.gif"


def _figure(folder, name, figure: Figure):
    file = folder / "figures" / _file_of(name, figure)
    data = base64.b64encode(file.read_bytes()).decode()
    wide = " class='wide'" if figure.size is not None and figure.size[0] > STYLE["figure.figsize"][0] else ""
    title, kind = html.escape(figure.title, quote=True), file.suffix[1:]
    return (
        f"<figure{wide}><img alt='{title}' src='data:image/{kind};base64,{data}'>"
        f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>"
    )


def _table(table: Table):
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    note = f"<p class='small'>{html.escape(table.note)}</p>" if table.note else ""
    kind = " class='numbers'" if table.folded else ""
    inside = f"<div class='scroll'><table{kind}>{f'<tr>{head}</tr>' if table.header else ''}{body}</table></div>{note}"
    heading = html.escape(table.heading)
    if table.folded:
        return f"<details><summary>{heading}</summary>{inside}</details>"
    return f"<h2>{heading}</h2>{inside}"


def _verdict(lines: Sequence[str]) -> str:
    inside = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f"<div class='verdict'>{inside}</div>" if lines else ""


def _writing(content: bytes) -> Callable[[pathlib.Path], Any]:
    return lambda path: path.write_bytes(content)
