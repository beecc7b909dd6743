"""Where do exponents change sign? python -m experiments.landscape --workdir=DIR

Trains a tanh network by squared error at ten learning rates in one program, and records the sharpness (the largest
eigenvalue of the Hessian of the loss on all training examples), the smallest eigenvalue, the loss at every step, and
the leading finite-time Lyapunov exponent. Each kind of training and initialization is a cell of a study, and several
processes may share the workdir. Writes landscape_DATA.json and a figure there.

That training settles at the edge of stability counts as shown where rate times sharpness, averaged over the last third
of the run, is within 5% of the threshold of a quadratic: 2 for gradient descent, 2 (1 + b) with momentum b. That the
exponent changes sign there counts as shown if its interval over initializations is below 0 at rates below the edge and
above 0 at rates beyond it. Negative curvature counts as the cause of a positive exponent if the exponent is that of a
quadratic with the smallest eigenvalue, ln(1 + rate |h|), within its interval.
"""

import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from absl import flags

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.data import Dataset, load_dataset
from pathjax.experiments.landscape import curves, summary
from pathjax.experiments.landscape.kinds import KINDS
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study, values_of
from pathjax.models import MLP, Weights
from pathjax.plots import landscape as figures
from pathjax.reporting.tables import aligned

EXAMPLE = "python -m experiments.landscape --workdir=results/landscape"
VERSION = 2  # of the measurement
READINGS = 100  # of sharpness and exponent in a run


class Design(Group):
    """The settings of a cell."""

    data: str
    data_sha256: str
    kind: str
    init: int
    widths: tuple[int, ...]
    num_steps: int


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the curves of each learning rate, and what is read off them."""
    kind = KINDS[design.kind]
    return standalone.to_json({"rates": curves.of_rates(_trained(dataset, design), kind)})


def _trained(dataset: Dataset, design: Design) -> dict:
    """Returns the records of one network at all learning rates: [time, rate, ...]."""
    kind = KINDS[design.kind]
    inputs = jnp.asarray(dataset.train[0]).reshape(len(dataset.train[0]), -1)
    examples = (inputs, jax.nn.one_hot(dataset.train[1], dataset.num_classes))
    model = MLP(design.widths, dataset.num_classes, "tanh", Weights("pytorch_default", "pytorch_default"))
    params = model.init(jax.random.key(design.init), inputs[:1])["params"]

    def loss_fn(params, examples):
        outputs = model.apply({"params": params}, examples[0])
        decay = 0.5 * kind.weight_decay * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return 0.5 * jnp.sum((outputs - examples[1]) ** 2, axis=-1) + decay

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: kind.optimizer(h["learning_rate"]))
    alone = jax.tree.map(lambda leaf: leaf[None], params)
    ensemble = pathjax.stack_ensembles(
        [pathjax.independent_ensemble(dynamics, alone, hparams={"learning_rate": rate}) for rate in kind.rates]
    )
    num, key, num_steps = len(inputs), jax.random.key(design.init), design.num_steps * kind.longer
    if kind.batch_size is None:
        schedule = pathjax.full_batch_schedule(num, num_steps)
    else:
        schedule = pathjax.batch_schedule(key, num, kind.batch_size, num_steps=num_steps)
    every = num_steps // READINGS

    def negated(params, examples):
        return -loss_fn(params, examples)

    given: dict = {"every": every, "preconditioner": kind.preconditioner}
    tangents = obs.lyapunov(jax.random.fold_in(key, 1), dynamics, every=every)
    measures = [
        obs.batch_loss(every=1),
        obs.curvature(
            jax.random.fold_in(key, 2), loss_fn, {"train": examples}, align=obs.Align(tangents=tangents), **given
        ),
        obs.curvature(jax.random.fold_in(key, 3), negated, {"negated": examples}, **given),
    ]
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    return pathjax.rollout(dynamics, ensemble, examples, schedule, measures, options).records


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns a table and what it says for each kind, and writes the figure."""
    kinds = values_of(cells, "kind")
    found = {
        kind: summary.summarize(KINDS[kind], [cell.outcome["rates"] for cell in cells if cell.settings.kind == kind])
        for kind in kinds
    }
    data = cells[0].settings.data
    saved = standalone.save_result(folder, f"landscape_{data}", found, "", figures.edges)
    parts = [[f"{kind}:", *aligned(summary.table(one)), *summary.verdict(one)] for kind, one in found.items()]
    return "\n\n".join("\n".join(part) for part in [*parts, [summary.NOTE], [saved]])


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figure.", flag_values=values)
    flags.DEFINE_string("data", "digits", "Data set of images.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_integer("image_size", None, "Side of the images in pixels; None: unchanged.", flag_values=values)
    flags.DEFINE_integer("num_train", 5000, "Largest number of training examples.", flag_values=values)
    flags.DEFINE_list("kinds", list(KINDS), "Kinds of training, by their names or numbers.", flag_values=values)
    flags.DEFINE_list("widths", ["32", "32"], "Hidden units of each layer.", flag_values=values)
    flags.DEFINE_integer("num_inits", 4, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_steps", 3000, "Training steps.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, {"num_inits": 1, "num_train": 1, "num_steps": READINGS})
        chosen = standalone.chosen_names("kinds", values.kinds, KINDS)
        fits = f"--num_steps={values.num_steps} is out of range: choose a multiple of {READINGS}"
        require(values.num_steps % READINGS == 0, fits)
        standalone.prepare()
        smallest = max((KINDS[name].batch_size or 1 for name in chosen), default=1)
        dataset = standalone.load(values, smallest)
        options = {"num_train": min(values.num_train, len(dataset.train[0])), "image_size": values.image_size}
        dataset = load_dataset(values.data, values.data_dir, **options)
        command_line.make_folder(folder)
        given: dict = {"widths": tuple(map(int, values.widths)), "num_steps": values.num_steps}
        given |= {"data": values.data, "data_sha256": dataset.origin["sha256"]}
        cells = [Design(kind=name, init=init, **given) for name in chosen for init in range(values.num_inits)]
        run_study(Study("landscape", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
