"""Do networks use the simplest input alone? python -m experiments.slabs --workdir=DIR

The slab data of Shah et al. (2020): 50 inputs, each of which predicts the class, the first one more simply than the
others. Trains 10 networks that differ in initialization and order of batches, by SGD with momentum and weight decay as
in their public code, and records the area under the ROC curve on test data in which S (the first input) or its
complement (all others) is randomized. Near 1/2 with S randomized and near that of the plain test set with the
complement randomized says that the network uses the first input alone. Each data set and network is a cell of a study.
Writes a json file and a figure there.
"""

import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax import observables as obs
from pathjax.analysis.intervals import mean_over_units
from pathjax.core.errors import require
from pathjax.data.slab_blocks import randomized, slab_blocks
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.models import MLP
from pathjax.plots.slabs import over_training
from pathjax.reporting.tables import aligned, interval

EXAMPLE = "python -m experiments.slabs --workdir=results/slabs"
VERSION = 1  # of the measurement
DIM = 50
# The first input, the others, and the share of examples in which the first one tells nothing.
SETS = {
    "LMS-5": (1, 5, 0.0),
    "LMS-7": (1, 7, 0.0),
    "noisy LMS-5": (1, 5, 0.1),
    "noisy LMS-7": (1, 7, 0.1),
    "MS-(5,7)": (5, 7, 0.0),
    "MS-7": (7, 7, 0.0),
}
NETWORKS = {"100": (100,), "100-100": (100, 100)}
BATCH, RATE, MOMENTUM, DECAY = 256, 0.1, 0.9, 5e-4
# Published: AUC, or accuracy where marked, of the test set, with S, and with its complement randomized.
PUBLISHED = {
    "LMS-5": "1, 0.5, 1 (AUC)",
    "noisy LMS-7": "0.949, 0.497, 0.949 (accuracy, 300-300)",
    "MS-(5,7)": "1, 0.5, 1 (AUC)",
    "MS-7": "1 (accuracy of the test set)",
}
PROBES = ("test", "s_randomized", "complement_randomized")


class Design(Group):
    """The settings of a cell."""

    name: str
    network: str
    num_train: int
    num_test: int
    num_inits: int
    num_steps: int
    every: int


def measure(design: Design) -> dict:
    """Returns AUCs and accuracies over training on the three test sets, lists [init][record]."""
    first, others, noise = SETS[design.name]
    train, test = slab_blocks((first, *[others] * (DIM - 1)), design.num_train, design.num_test, noise=noise)
    sets = {"test": test, "s_randomized": randomized(test, [0])}
    sets["complement_randomized"] = randomized(test, range(1, DIM))
    model = MLP(NETWORKS[design.network], 2, "relu")

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    def loss_fn(params, examples):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0]), examples[1])

    decay = optax.add_decayed_weights(DECAY)
    dynamics = pathjax.training_dynamics(loss_fn, optax.chain(decay, optax.sgd(RATE, MOMENTUM)))
    keys = jax.random.split(jax.random.key(0), design.num_inits)
    networks = jax.vmap(lambda key: model.init(key, train[0][:1])["params"])(keys)
    schedules = [
        pathjax.batch_schedule(
            jax.random.fold_in(jax.random.key(1), i), design.num_train, BATCH, num_steps=design.num_steps
        )
        for i in range(design.num_inits)
    ]
    ensemble = pathjax.with_schedules(pathjax.independent_ensemble(dynamics, networks), np.arange(design.num_inits))
    probes = jax.tree.map(jnp.asarray, sets)
    observables = [obs.classification(predict, probes, every=design.every, measures=["accuracy", "auc"])]
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    examples = jax.tree.map(jnp.asarray, train)
    found = pathjax.rollout(
        dynamics, ensemble, examples, pathjax.stack_schedules(schedules), observables, options
    ).records
    records = {name: np.asarray(values, float).T.round(4).tolist() for name, values in found.items()}
    return {"steps": (np.arange(design.num_steps // design.every + 1) * design.every).tolist(), "records": records}


HEADER = (
    *("data", "network", "AUC: test [95%]", "S randomized [95%]", "complement randomized [95%]"),
    *("accuracy: test [95%]", "S randomized [95%]", "complement randomized [95%]", "published"),
)
NOTE = (
    "Means over initializations and orders of batches, at the end of training. All share one test set and one "
    "randomization, whose own sampling error, about 0.5 / sqrt(test examples), is not in the intervals. Published: "
    "Shah et al. 2020, paper and public code; test set, S randomized, complement randomized. S is the first input."
)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the table, and writes the figure."""
    rows = [_row(cell) for cell in cells]
    found = {f"{cell.settings.name}, {cell.settings.network}": cell.outcome for cell in cells}
    saved = standalone.save_result(folder, "slabs", found, "What is used of slab data?", over_training)
    return "\n".join([*aligned([HEADER, *rows]), "", NOTE, "", saved])


def _row(cell: Cell) -> tuple[str, ...]:
    ends = (
        interval(*mean_over_units(np.array(cell.outcome["records"][f"{probe}_{what}"])[:, -1]))
        for what in ("auc", "accuracy")
        for probe in PROBES
    )
    return cell.settings.name, cell.settings.network, *ends, PUBLISHED.get(cell.settings.name, "")


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_list("sets", list(SETS), "Data sets, by name or number.", flag_values=values)
    flags.DEFINE_list("networks", ["100", "100-100"], "Networks, by name.", flag_values=values)
    flags.DEFINE_integer("num_train", 40_000, "Training examples.", flag_values=values)
    flags.DEFINE_integer("num_test", 10_000, "Test examples.", flag_values=values)
    flags.DEFINE_integer("num_inits", 10, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_steps", 10_000, "Training steps.", flag_values=values)
    flags.DEFINE_integer("every", 500, "Steps between records.", flag_values=values)


COUNTS = {"num_train": BATCH, "num_test": 10, "num_inits": 2, "num_steps": 1, "every": 1}


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        divides = f"--every={values.every} must divide --num_steps={values.num_steps}"
        require(values.num_steps % values.every == 0, divides)
        sets = standalone.chosen_names("sets", values.sets, SETS)
        for name in values.networks:
            require(name in NETWORKS, f"--networks: unknown '{name}', choose from {', '.join(NETWORKS)}")
        standalone.prepare()
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in COUNTS}
        cells = [Design(name=name, network=network, **given) for name in sets for network in values.networks]
        run_study(Study("slabs", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
