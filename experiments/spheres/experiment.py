"""Do weights move as Brownian motion on a sphere does? python -m experiments.spheres --workdir=DIR

Trains several networks from 8 initializations. From each start, walkers train on batches of their own, and their
motion is compared with what Brownian motion on a sphere would give (`motion`). Copies perturbed along the sphere of
the initial weights, and by Gaussian vectors of the same size and the same draws, train on common batches: does their
growth differ? Each network is a cell of a study, and several processes may share the workdir. Writes spheres.json and
figures there.

For the sphere count norms that stay within a percent, and an exponent, aging and drift that tests over initializations
do not distinguish from those of Brownian motion. Against it counts each that differs. That thickness matters is shown
by a ratio of growths whose 95% interval excludes 1.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from scipy import stats

import pathjax
from pathjax import observables as obs
from pathjax.analysis.law_fits import MIN_UNITS
from pathjax.analysis.law_selection import select_law
from pathjax.analysis.multiple_tests import holm
from pathjax.analysis.statistics import half_interval
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.runner.task import cross_entropy
from pathjax.experiments.spheres.motion import BROWNIAN, motion_of
from pathjax.models import MLP
from pathjax.plots import spheres as figures
from pathjax.reporting.tables import aligned, interval

EXAMPLE = "python -m experiments.spheres --workdir=results/spheres"
VERSION = 1  # of the measurement
BATCH, WIDTH, NUM_RECORDS = 64, 100, 40
EPSILONS = (1e-3, 1e-2, 0.1, 0.3, 1.0)
KINDS = {
    "sphere": pathjax.on_sphere(),
    "gaussian": pathjax.gaussian(per_leaf=True, relative=True),  # of the same size, from the same draws
}
NETWORKS: dict[str, tuple[str, optax.GradientTransformation]] = {
    "ReLU, SGD": ("relu", optax.sgd(0.1)),
    "tanh, SGD": ("tanh", optax.sgd(0.1)),
    "ReLU, weight decay 0.001": ("relu", optax.chain(optax.add_decayed_weights(1e-3), optax.sgd(0.1))),
    "ReLU, momentum 0.9": ("relu", optax.sgd(0.02, momentum=0.9)),
    "ReLU, Adam": ("relu", optax.adam(1e-3)),
}


class Design(Group):
    """The settings of a cell."""

    data_sha256: str
    network: str
    num_inits: int
    num_walkers: int
    num_seeds: int
    num_steps: int


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the walkers' motion, and the growth of both kinds of perturbations, in double precision."""
    with jax.enable_x64(True):
        return standalone.to_json(_measured(dataset, design))


def _measured(dataset: Dataset, design: Design) -> dict:
    inputs, labels = dataset.train
    examples = (jnp.asarray(inputs, float), jnp.asarray(labels))
    activation, optimizer = NETWORKS[design.network]
    model = MLP((WIDTH,), dataset.num_classes, activation)
    loss = cross_entropy(lambda params, inputs: model.apply({"params": params}, inputs))
    dynamics = pathjax.training_dynamics(loss, optimizer)
    key = jax.random.key(0)
    starts = jax.vmap(lambda k: model.init(k, examples[0][:1])["params"])(jax.random.split(key, design.num_inits))
    starts = jax.tree.map(lambda leaf: leaf.astype(float), starts)

    def schedules(num):
        keys = jax.random.split(jax.random.fold_in(key, 1), num)
        made = {"num_steps": design.num_steps}
        return pathjax.stack_schedules([pathjax.batch_schedule(k, len(labels), BATCH, **made) for k in keys])

    def trained(ensemble, num_schedules, measures):
        options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
        chosen = pathjax.with_schedules(ensemble, np.arange(num_schedules))
        return pathjax.rollout(dynamics, chosen, examples, schedules(num_schedules), measures, options).records

    walks = _walks(dynamics, starts, design, trained)
    return (
        walks
        | {"epsilons": EPSILONS}
        | {kind: _growth(dynamics, starts, design, trained, perturb) for kind, perturb in KINDS.items()}
    )


def _walks(dynamics, starts, design: Design, trained) -> dict:
    """Returns the motion of each initialization's walkers, and mean curves of norms and squared displacements."""
    num, every, middle = design.num_inits * design.num_walkers, design.num_steps // NUM_RECORDS, design.num_steps // 2
    walkers = pathjax.fork(pathjax.independent_ensemble(dynamics, starts), design.num_walkers, "walker")
    measures = [
        obs.weight_autocorrelation((0, middle), every=every),
        obs.weight_norm(every=every),
        obs.weight_gram(num, every=every),
    ]
    found = {name: np.asarray(values, float) for name, values in trained(walkers, num, measures).items()}
    shape = (NUM_RECORDS + 1, design.num_inits, design.num_walkers)
    norm = found["weight_norm"].reshape(shape)
    moved, later = (found["squared_displacement"][..., i].reshape(shape) for i in range(2))
    gram = found["weight_gram"].reshape(*shape, *shape[1:])
    require(bool(np.isfinite(norm).all()), f"training diverged: {design.network}")
    steps = np.arange(NUM_RECORDS + 1) * every
    motions = [
        motion_of(steps, norm[:, i], moved[:, i], later[-1, i], gram[:, i, :, i]) for i in range(design.num_inits)
    ]
    curves = {"norms": (norm / norm[0]).mean(2).T, "moved": moved.mean(2).T, "start": norm[0, :, 0]}
    return {"steps": steps, "motion": np.array(motions)} | {k: _rounded(v) for k, v in curves.items()}


def _rounded(values: np.ndarray) -> list:
    return standalone.rounded(np.atleast_2d(values), 6)


def _growth(dynamics, starts, design: Design, trained, perturbation) -> np.ndarray:
    """Returns d(T) / d(0), a median over directions, float[init, epsilon]."""
    made: dict[str, Any] = {"epsilons": EPSILONS, "num_seeds": design.num_seeds}

    def perturbed(i):
        own = jax.random.fold_in(jax.random.key(2), i)
        return pathjax.perturbed_ensemble(own, dynamics, trees.index(starts, i), perturbation, **made)

    ensemble = pathjax.stack_ensembles([perturbed(i) for i in range(design.num_inits)])
    found = trained(ensemble, design.num_inits, [obs.weight_distance(every=design.num_steps)])
    distance = np.asarray(found["distance"])[..., 3:].reshape(2, design.num_inits, len(EPSILONS), design.num_seeds)
    return np.median(distance[1] / distance[0], axis=-1)


MOTION = ("network", *(f"{name} (Brownian: {value:g})" for name, value in BROWNIAN._asdict().items()))
LAW = ("network", "law of the displacement from the start", "parameters [95%]", "spread of |w(T)| / |w0| over starts")
THICKNESS = ("network", *(f"epsilon {epsilon:g}" for epsilon in EPSILONS))


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables, and writes the figures."""
    found = {cell.settings.network: cell.outcome for cell in cells}
    note = (
        "Means over initializations [95%]; * differs from Brownian motion on a sphere (t-tests over initializations, "
        "Holm, 0.05)."
    )
    ratio = "Growth d(T)/d(0) of Gaussian perturbations over that of perturbations along the sphere [95%]"
    parts = [
        [*aligned([MOTION, *_motions(found)]), note],
        aligned([LAW, *(_law(network, outcome) for network, outcome in found.items())]),
        [ratio, *aligned([THICKNESS, *(_thickness(network, outcome) for network, outcome in found.items())])],
        [
            standalone.save_result(folder, "spheres", found, "Norms during training", figures.norms),
            standalone.save_result(
                folder, "spheres_moved", found, "Displacement from the start", figures.displacements
            ),
            standalone.save_result(folder, "spheres_thickness", found, "Does thickness matter?", figures.thickness),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _motions(found: dict) -> list[tuple[str, ...]]:
    values = np.array([outcome["motion"] for outcome in found.values()])  # network, init, statistic
    tests = stats.ttest_1samp(values, np.array(BROWNIAN), axis=1).pvalue
    differs = holm(tests.ravel().tolist()).reshape(tests.shape) < 0.05
    return [
        (network, *(_interval(values[i, :, j]) + " *" * bool(differs[i, j]) for j in range(len(BROWNIAN))))
        for i, network in enumerate(found)
    ]


def _interval(values: np.ndarray) -> str:
    mean, reach = values.mean(), float(half_interval(values))
    return interval(mean, mean - reach, mean + reach)


def _law(network: str, outcome: dict) -> tuple[str, ...]:
    law = select_law(outcome["steps"], np.sqrt(np.array(outcome["moved"])))
    fit = law.fits[law.best]
    each = zip(fit.law.parameters, fit.parameters, fit.low, fit.high, strict=True)
    parameters = "; ".join(f"{name} {interval(*ends)}" for name, *ends in each)
    said = law.law if law.law == law.best else f"{law.law} (best: {law.best})"
    return network, said, parameters, f"{np.array(outcome['norms'])[:, -1].std(ddof=1):.2g}"


def _thickness(network: str, outcome: dict) -> tuple[str, ...]:
    logs = np.log(np.array(outcome["gaussian"]) / np.array(outcome["sphere"]))
    mean, reach = logs.mean(0), half_interval(logs)
    return network, *(interval(*ends) for ends in np.exp([mean, mean - reach, mean + reach]).T)


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figures.", flag_values=values)
    flags.DEFINE_string("data", "digits", "Data set: digits, mnist or fashion_mnist.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_list("networks", list(NETWORKS), "Networks, by their numbers.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_walkers", 8, "Copies of each that train on batches of their own.", flag_values=values)
    flags.DEFINE_integer("num_seeds", 4, "Directions of each kind of perturbation.", flag_values=values)
    flags.DEFINE_integer("num_steps", 2000, "Training steps.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        counts = {"num_inits": MIN_UNITS, "num_walkers": 3, "num_seeds": 1, "num_steps": NUM_RECORDS}
        folder = standalone.validate_flags(values, counts)
        fits = f"--num_steps={values.num_steps} is out of range: choose a multiple of {NUM_RECORDS}"
        require(values.num_steps % NUM_RECORDS == 0, fits)
        chosen = standalone.chosen_names("networks", values.networks, NETWORKS)
        standalone.prepare()
        dataset = standalone.load(values, BATCH)
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_inits", "num_walkers", "num_seeds", "num_steps")}
        cells = [Design(data_sha256=dataset.origin["sha256"], network=network, **given) for network in chosen]
        run_study(Study("spheres", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
