"""Do wide networks learn features? Measures the drift of tangent kernels, by width and parametrization.

python -m experiments.ntk_width --workdir=results/ntk_width

For each width and parametrization, trains MLPs of several initializations on one schedule, in one program, and measures
each kernel's distance from its start, its alignment with the labels, and its fluctuation between initializations. Each
width and parametrization is a cell of a study, and several processes may share the workdir. Prints a table, and writes
ntk_width.json and ntk_width.png there.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import pathjax
from pathjax import observables as obs
from pathjax.analysis.statistics import spread
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.engine.layout import auto_mesh
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.standalone import to_json
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.runner.task import cross_entropy
from pathjax.models import MLP, PARAMETRIZATIONS, Parametrization, Weights, learning_rate_factors
from pathjax.plots.ntk import drift as draw
from pathjax.reporting.tables import aligned, number
from pathjax.training.optimizers import named_optimizer
from pathjax.training.transformations import with_rates

EXAMPLE = "python -m experiments.ntk_width --workdir=results/ntk_width"
VERSION = 1  # of the measurement
BASE_WIDTH, LEARNING_RATE, BATCH = 64, 0.1, 64
COUNTS = {"num_inits": 2, "num_steps": 1, "depth": 1, "num_probe": 4}  # with the minimum of each


class Kernels(NamedTuple):
    """The results of one width and parametrization.

    Values of each initialization at the end (alignments also at the start), and fluctuations over initializations with
    their errors, at the start and at the end.
    """

    drift: np.ndarray
    alignment: np.ndarray
    first_alignment: np.ndarray
    accuracy: np.ndarray
    fluctuation: np.ndarray
    fluctuation_error: np.ndarray


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for ntk_width.json and ntk_width.png.", flag_values=values)
    flags.DEFINE_string("data", "digits", "A data set of pathjax.data.load_dataset, with classes.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.", flag_values=values)
    flags.DEFINE_list("widths", ["64", "256", "1024"], "Widths of all hidden layers.", flag_values=values)
    help_parametrizations = "Parametrizations to compare; family has s = 0.5."
    flags.DEFINE_list("parametrizations", list(PARAMETRIZATIONS), help_parametrizations, flag_values=values)
    flags.DEFINE_integer("depth", 2, "Number of hidden layers.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Initializations of each network.", flag_values=values)
    help_steps = "Training steps of SGD, with learning rate 0.1 at width 64."
    flags.DEFINE_integer("num_steps", 500, help_steps, flag_values=values)
    flags.DEFINE_integer("num_probe", 32, "Test examples on which kernels are computed.", flag_values=values)


class Networks(Group):
    """The settings of a cell: networks of one width and parametrization."""

    data_sha256: str
    parametrization: str
    width: int
    depth: int
    num_inits: int
    num_steps: int
    num_probe: int


def measure(dataset: Dataset, values: Networks) -> Kernels:
    """Trains the networks of one width and parametrization, and measures their kernels."""
    weights = Weights("kaiming_normal", "zeros", Parametrization(values.parametrization, 0.5, BASE_WIDTH))
    model = MLP((values.width,) * values.depth, dataset.num_classes, "relu", weights)
    examples, test = jax.tree.map(jnp.asarray, (dataset.train, dataset.test))
    like, hparams = examples[0][:1], {"learning_rate": LEARNING_RATE}
    starts = jax.vmap(lambda key: model.init(key, like)["params"])(
        jax.random.split(jax.random.key(0), values.num_inits)
    )
    factors = learning_rate_factors(model, trees.index(starts, 0), like, "sgd")

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    dynamics = pathjax.training_dynamics(cross_entropy(predict), with_rates(named_optimizer("sgd", hparams), factors))
    others = {"epsilons": [1e-3], "num_seeds": 1, "hparams": hparams, "independent": starts}
    ensemble = pathjax.perturbed_ensemble(
        jax.random.key(1), dynamics, trees.index(starts, 0), pathjax.on_sphere(), **others
    )
    schedule = pathjax.batch_schedule(jax.random.key(2), len(examples[1]), BATCH, num_steps=values.num_steps)
    (inputs, labels), every = [a[: values.num_probe] for a in test], values.num_steps
    measured = [
        obs.tangent_kernel(predict, inputs, labels, factors=factors, every=every),
        obs.gradient_fluctuation(
            predict, inputs, labels, ensemble.members, roles=("independent",), factors=factors, every=every
        ),
        obs.classification(predict, {"test": test}, measures=("accuracy",), every=every),
    ]
    mesh = auto_mesh(len(ensemble.members.role))
    records = pathjax.rollout(
        dynamics, ensemble, examples, schedule, measured, options=pathjax.RolloutOptions(mesh=mesh)
    ).records
    own = np.asarray(ensemble.members.role) == "independent"
    aligned_, drift, accuracy = (
        np.asarray(records[n]) for n in ("kernel_label_alignment", "kernel_drift", "test_accuracy")
    )
    found, error = (np.asarray(records[f"kernel_fluctuation{end}"]) for end in ("", "_error"))
    ends = (drift[-1, own], aligned_[-1, own], aligned_[0, own], accuracy[-1, own])
    return Kernels(*ends, found[[0, -1]], error[[0, -1]])


def table(cells: dict[tuple[str, int], Kernels]) -> str:
    """Formats a row for each parametrization and width."""
    header = (
        "parametrization",
        "width",
        "drift",
        "alignment: start",
        "end",
        "fluctuation: start",
        "end",
        "test accuracy",
    )
    rows: list[tuple[str, ...]] = [header]
    for (name, width), cell in cells.items():
        spreads = [spread(v) for v in (cell.drift, cell.first_alignment, cell.alignment, cell.accuracy)]
        drift, first, last, accuracy = (f"{number(s.mean)} ± {number(s.sd)}" for s in spreads)
        pairs = zip(cell.fluctuation, cell.fluctuation_error, strict=True)
        rows.append((name, str(width), drift, first, last, *(f"{number(f)} ± {number(e)}" for f, e in pairs), accuracy))
    note = "±: standard deviation between initializations; for fluctuations, the jackknife error."
    return "\n".join([*aligned(rows), note])


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the table, and writes the figure, of all measured networks."""
    found = {}
    for cell in cells:
        values = (np.asarray(value, float) for value in cell.outcome.values())
        found[cell.settings.parametrization, cell.settings.width] = Kernels(*values)
    kept = standalone.save_result(folder, "ntk_width", found, "How far tangent kernels drift in training", draw)
    return f"{table(found)}\n\n{kept}"


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        wrong = [name for name in values.parametrizations if name not in PARAMETRIZATIONS]
        require(
            not wrong, f"--parametrizations: unknown '{wrong and wrong[0]}', choose from {', '.join(PARAMETRIZATIONS)}"
        )
        standalone.prepare()
        dataset = standalone.load(values, BATCH)
        available = len(dataset.test[1])
        in_range = f"--num_probe={values.num_probe} is out of range: choose at most {available}"
        require(values.num_probe <= available, in_range)
        command_line.make_folder(folder)
        own = {name: getattr(values, name) for name in ("depth", "num_inits", "num_steps", "num_probe")}
        own["data_sha256"] = dataset.origin["sha256"]
        cells = [
            Networks(parametrization=name, width=int(width), **own)
            for name in values.parametrizations
            for width in values.widths
        ]
        run_study(Study("ntk_width", VERSION, lambda cell: to_json(measure(dataset, cell)), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
