"""Are two independently trained networks in one valley, once their units are matched?

python -m experiments.barriers --data_dir=DIR --workdir=results/barriers

For each width, trains pairs of MLPs with two hidden layers, each with its own initialization and batches, and measures
the test loss on the line between them, before and after weight matching (Ainsworth et al. 2022). Each pair is a cell of
a study, and several processes may share the workdir. Prints a table, and writes barriers.json and barriers.png there.
"""

import functools
import itertools
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax import symmetry
from pathjax.analysis.statistics import spread
from pathjax.data import Dataset
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study, values_of
from pathjax.experiments.runner.task import cross_entropy
from pathjax.models import MLP
from pathjax.observables.connectivity import Points, lines
from pathjax.plots.barriers import barriers as draw

EXAMPLE = "python -m experiments.barriers --data_dir=DIR --workdir=results/barriers"
VERSION = 1  # of the measurement
BATCH, LEARNING_RATE, NUM_POINTS = 128, 1e-3, 25
COUNTS = {"num_pairs": 1, "num_epochs": 1}  # with the minimum of each


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for barriers.json and barriers.png.", flag_values=values)
    flags.DEFINE_string("data", "mnist", "Data set: digits, mnist or fashion_mnist.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    widths = ["32", "64", "128", "256", "512", "1024"]
    flags.DEFINE_list("widths", widths, "Widths of both hidden layers.", flag_values=values)
    flags.DEFINE_integer("num_pairs", 3, "Pairs of networks for each width.", flag_values=values)
    flags.DEFINE_integer("num_epochs", 5, "Epochs of training.", flag_values=values)


class Pair(Group):
    """The settings of a cell: a pair of networks."""

    data_sha256: str
    width: int
    seed: int
    num_epochs: int


def measure(dataset: Dataset, pair: Pair) -> dict:
    """Measures the line between a pair of networks, unmatched and matched ("aligned_...")."""
    model = MLP((pair.width, pair.width), dataset.num_classes)
    a, b = (_train(model, 2 * pair.seed + i, dataset, pair.num_epochs) for i in range(2))
    predict = _predict(model)
    spec = symmetry.infer_spec(predict, a, dataset.test[0][:1])
    found = symmetry.match_weights(spec, a, b)
    sets = {"test": jax.tree.map(jnp.asarray, dataset.test)}
    matched = symmetry.permute(spec, found.permutation, b)
    return standalone.to_json(_line(predict, a, b, sets, "") | _line(predict, a, matched, sets, "aligned_"))


def _predict(model):
    return lambda params, inputs: model.apply({"params": params}, inputs)


def _train(model, seed: int, dataset, num_epochs: int):
    init_key, schedule_key = jax.random.split(jax.random.key(seed))
    examples = jax.tree.map(jnp.asarray, dataset.train)
    dynamics = _dynamics(model)
    state = dynamics.init(model.init(init_key, examples[0][:1])["params"], {})
    schedule = pathjax.batch_schedule(schedule_key, len(examples[1]), BATCH, num_epochs=num_epochs)
    step_fn, rows = pathjax.scheduled_step(dynamics, examples, schedule)
    return jax.jit(lambda step_fn, state, rows: jax.lax.scan(lambda s, row: (step_fn(s, row), None), state, rows)[0])(
        step_fn, state, rows
    ).params


@functools.lru_cache
def _dynamics(model):
    return pathjax.training_dynamics(cross_entropy(_predict(model)), optax.adam(LEARNING_RATE))


def _line(predict, a, b, sets, prefix):
    return jax.jit(lambda a, b, sets: lines(predict, a, b, sets, Points(NUM_POINTS, prefix=prefix)))(a, b, sets)


def table(pairs: dict[int, list[dict]]) -> str:
    """Formats barriers as text: mean over pairs ± standard deviation."""
    rows = [f"{'width':>6}{'pairs':>7}{'barrier [nats]':>22}{'matched':>22}{'falls by':>18}{'loss at the ends':>20}"]
    for width, records in pairs.items():
        before, after = (np.array([r[f"{p}test_barrier"] for r in records]) for p in ("", "aligned_"))
        ends = np.array([r["test_line_loss"][[0, -1]].mean() for r in records])
        falls = (1 - after[before > 0] / before[before > 0]) if (before > 0).any() else np.array([np.nan])
        cells = [spread(values) for values in (before, after, falls, ends)]
        texts = ["n/a" if c.n == 0 else f"{c.mean:.4f}" + (f" ± {c.sd:.4f}" if c.n > 1 else "") for c in cells]
        rows.append(f"{width:>6}{len(records):>7}{texts[0]:>22}{texts[1]:>22}{texts[2]:>18}{texts[3]:>20}")
    return "\n".join(
        [*rows, "±: standard deviation between pairs (none for one pair); falls by: over pairs with a barrier"]
    )


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the table, and writes the figure, of all measured pairs."""
    pairs: dict[int, list[dict]] = {width: [] for width in values_of(cells, "width")}
    for cell in cells:
        pairs[cell.settings.width].append({name: np.asarray(value, float) for name, value in cell.outcome.items()})
    title = "Barriers between independently trained networks"
    return f"{table(pairs)}\n\n{standalone.save_result(folder, 'barriers', pairs, title, draw)}"


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        standalone.prepare(num_devices=1)
        dataset = standalone.load(values, BATCH)
        command_line.make_folder(folder)
        own = {"data_sha256": dataset.origin["sha256"], "num_epochs": values.num_epochs}
        widths, seeds = map(int, values.widths), range(values.num_pairs)
        cells = [Pair(width=width, seed=seed, **own) for width, seed in itertools.product(widths, seeds)]
        run_study(Study("barriers", VERSION, functools.partial(measure, dataset), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
