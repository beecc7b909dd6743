"""How small must a perturbation be for tangents to predict its growth? python -m experiments.bends --workdir=DIR

The activation is a ReLU whose kink is bent or weakened by beta, a hyperparameter of the loss: SmeLU, whose slope rises
over the half-width beta; softplus of the sharpness 1 / beta; or leaky ReLU, whose slope jumps by beta at the kink.
Trains copies of one initialization, perturbed by many sizes epsilon, for all beta in one program, and finds the size
epsilon*(beta) from which on growth departs by 10% from that of the smallest perturbation, which stands for the tangent.
Each activation of each initialization, with its own batches, is a cell of a study, and several processes may share the
workdir. Writes a json file and figures for each activation there.

That epsilon* is proportional to beta, over four decades, would say that the half-width alone sets the scale. If what
counts is that a separation stays below beta until the end, epsilon* is proportional to beta / growth instead, and falls
faster, because the tangent's growth rises as bends become sharp. For leaky ReLU, whose kink has no width, epsilon*
should be where most members have met a kink, whatever its strength, as long as a jump is larger than the separation.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax import observables as obs
from pathjax.analysis.statistics import half_interval
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study, values_of
from pathjax.models import MLP
from pathjax.models.activations import leaky_relu, smelu, softplus
from pathjax.plots.bends import OFF, collapse, grown, phases
from pathjax.reporting.tables import aligned, number

EXAMPLE = "python -m experiments.bends --workdir=results/bends"
VERSION = 1  # of the measurement
TANGENT = 1e-12  # of the perturbation that stands for the tangent, in double precision
BATCH, RATE = 64, 0.1


# z, beta -> activation; towards beta = 0, or 1 for leaky ReLU, it is ReLU.
ACTIVATIONS = {
    "smelu": smelu,
    "softplus": lambda z, beta: softplus(z, 1 / beta),
    "leaky_relu": lambda z, beta: leaky_relu(z, 1 - beta),
}
LABELS = {
    "smelu": "half-width $\\beta$ of the bend (SmeLU)",
    "softplus": "width $\\beta$ of the bend, 1 / sharpness (softplus)",
    "leaky_relu": "jump $\\beta$ of the slope at the kink (leaky ReLU)",
}


class Design(Group):
    """The settings of a cell: one activation and initialization."""

    data_sha256: str
    activation: str
    init: int
    width: int
    num_seeds: int
    num_steps: int
    betas: tuple[float, ...]
    epsilons: tuple[float, ...]


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the median growth over directions, for each beta and epsilon, and for the tangent."""
    with jax.enable_x64(True):
        return _measured(dataset, design)


def _measured(dataset: Dataset, design: Design) -> dict:
    inputs, labels = dataset.train
    examples = (jnp.asarray(inputs, float), jnp.asarray(labels))

    def loss_fn(params, examples, hparams):
        bent = ACTIVATIONS[design.activation]
        model = MLP((design.width,), dataset.num_classes, lambda z: bent(z, hparams["beta"]))
        logits = model.apply({"params": params}, examples[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    dynamics = pathjax.training_dynamics(loss_fn, optax.sgd(RATE), hparams_in_loss=True)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), design.init), 3)
    params = MLP((design.width,), dataset.num_classes).init(keys[0], examples[0][:1])["params"]
    params = jax.tree.map(lambda leaf: leaf.astype(float), params)
    epsilons = (TANGENT, *design.epsilons)

    def with_beta(beta):
        made: dict[str, Any] = {"epsilons": epsilons, "num_seeds": design.num_seeds, "hparams": {"beta": beta}}
        return pathjax.perturbed_ensemble(keys[1], dynamics, params, pathjax.on_sphere(), **made)

    ensemble = pathjax.stack_ensembles([with_beta(beta) for beta in design.betas])
    schedule = pathjax.batch_schedule(keys[2], len(labels), BATCH, num_steps=design.num_steps)
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    measures = [obs.weight_distance(every=design.num_steps), obs.batch_loss(every=design.num_steps)]
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, measures, options).records
    growth = found["distance"][-1] / np.where(found["distance"][0] > 0, found["distance"][0], 1)
    grown = [np.median(growth[:, ensemble.members.epsilon == epsilon], axis=1) for epsilon in epsilons]
    lost = ~np.isfinite(np.stack(grown))
    require(not lost.any(), f"training diverged at beta {design.betas[int(lost.any(0).argmax())]:g}")
    return {"growth": np.stack(grown[1:], 1).tolist(), "tangent": grown[0].tolist()}


def departures(growth: np.ndarray, tangent: np.ndarray, epsilons: np.ndarray) -> np.ndarray:
    """Returns epsilon* of each beta: where growth first departs from the tangent's, on a line in the logarithms.

    Args:
        growth: float[beta, epsilon].
        tangent: float[beta].
        epsilons: float[epsilon], increasing.

    Returns:
        float[beta]; NaN where growth departs at the smallest epsilon already, or at none.

    >>> found = departures(np.array([[1.0, 1.0, 1.21]]), np.ones(1), np.array([0.01, 0.1, 1.0]))
    >>> round(float(found[0]), 3)
    0.316
    """
    away = np.abs(np.log(growth / tangent[:, None])) / np.log(OFF)
    found = np.full(len(growth), np.nan)
    for i, row in enumerate(away):
        first = int((row > 1).argmax())
        if row[first] > 1 and first > 0:
            share = (1 - row[first - 1]) / (row[first] - row[first - 1])
            logs = np.log(epsilons[first - 1 : first + 1])
            found[i] = np.exp(logs[0] + share * (logs[1] - logs[0]))
    return found


def exponents(betas: np.ndarray, stars: np.ndarray) -> np.ndarray:
    """Returns the slope of log epsilon* against log beta of each initialization, float[init], by least squares."""
    found = []
    for star in stars:
        known = np.isfinite(star)
        found.append(np.polyfit(np.log(betas[known]), np.log(star[known]), 1)[0] if known.sum() > 2 else np.nan)
    return np.array(found)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables, and writes the figures, for each activation."""
    names = values_of(cells, "activation")
    return "\n\n".join(_report([c for c in cells if c.settings.activation == name], folder) for name in names)


def _report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    design = cells[0].settings
    betas, epsilons = np.array(design.betas), np.array(design.epsilons)
    growth, tangent = (np.array([cell.outcome[name] for cell in cells]) for name in ("growth", "tangent"))
    stars = np.stack([departures(g, t, epsilons) for g, t in zip(growth, tangent, strict=True)])
    found = {"betas": betas, "epsilons": epsilons, "growth": growth, "tangent": tangent, "stars": stars}
    labeled: dict = found | {"label": LABELS[design.activation]}
    header = ("beta", "epsilon* (range of initializations)", "tangent", *(f"{e:g}" for e in epsilons))
    rows = [_row(beta, stars[:, i], tangent[:, i], growth[:, i]) for i, beta in enumerate(betas)]
    note = "growth d(T)/d(0) by epsilon: medians over directions, then over initializations"
    name = design.activation
    saved = [
        standalone.save_result(folder, name, labeled, "Growth by epsilon and beta", phases),
        standalone.save_result(folder, f"{name}_over_beta", found, "Is epsilon / beta the scale?", collapse),
        standalone.save_result(folder, f"{name}_grown", found, "Is it what the tangent predicts, over beta?", grown),
    ]
    return "\n".join([name, *aligned([header, *rows]), note, "", _exponent(exponents(betas, stars)), "", *saved])


def _exponent(slopes: np.ndarray) -> str:
    known = slopes[np.isfinite(slopes)]
    if len(known) == 0:
        return "no initialization has three epsilon*"
    exponent = f"{number(known.mean())} ± {number(float(half_interval(known)))}"
    return f"epsilon* ~ beta^{exponent} (95%, {len(known)} initializations)"


def _row(beta: float, stars: np.ndarray, tangent: np.ndarray, growth: np.ndarray) -> tuple[str, ...]:
    known = stars[np.isfinite(stars)]
    star = f"{np.median(known):.2g} ({known.min():.2g} to {known.max():.2g})" if len(known) else "none"
    return (f"{beta:.2g}", star, number(np.median(tangent)), *(number(g) for g in np.median(growth, axis=0)))


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figures.", flag_values=values)
    flags.DEFINE_string("data", "digits", "Data set: digits, mnist or fashion_mnist.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_list("activations", list(ACTIVATIONS), "Activations, by name or number.", flag_values=values)
    flags.DEFINE_list("widths", ["128"], "Width of the hidden layer.", flag_values=values)
    flags.DEFINE_integer("num_inits", 4, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_betas", 9, "Half-widths, from 1e-4 to 1.", flag_values=values)
    flags.DEFINE_integer("num_epsilons", 19, "Sizes, from 1e-10 to 0.1.", flag_values=values)
    flags.DEFINE_integer("num_seeds", 4, "Directions.", flag_values=values)
    flags.DEFINE_integer("num_steps", 1500, "Training steps.", flag_values=values)


COUNTS = {"num_inits": 1, "num_betas": 3, "num_epsilons": 3, "num_seeds": 1, "num_steps": 1}


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        require(len(values.widths) == 1, f"--widths={','.join(values.widths)}: give one width")
        chosen = standalone.chosen_names("activations", values.activations, ACTIVATIONS)
        standalone.prepare()
        dataset = standalone.load(values, BATCH)
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_seeds", "num_steps")}
        given |= {"betas": _between(1e-4, 1, values.num_betas), "epsilons": _between(1e-10, 0.1, values.num_epsilons)}
        given |= {"data_sha256": dataset.origin["sha256"], "width": int(values.widths[0])}
        cells = [Design(activation=a, init=i, **given) for a in chosen for i in range(values.num_inits)]
        run_study(Study("bends", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def _between(low: float, high: float, num: int) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in np.geomspace(low, high, num))


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
