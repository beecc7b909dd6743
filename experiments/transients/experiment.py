"""Is training fastest where it is chaotic? python -m experiments.transients --workdir=DIR

Trains a network by gradient descent on the whole training set, in double precision, from weights of N(0, 1), with
copies whose weights differ by U(-1e-8, 1e-8), at 16 learning rates from 0.0005 to 20, for 200 steps. Each learning rate
is a cell of a study, and several processes may share the workdir. Writes transients_DATA.json and a figure there.

The published claim (Jimenez-Gonzalez, Soriano & Lacasa 2025, arXiv 2506.08523) is that exponents are positive in a
window of large learning rates, and that training is fastest in this window. For it counts that the learning rate with
the shortest time to an accuracy lies in the window of positive exponents in 95% or more of resampled initializations;
against it, that it lies there in 5% or fewer.
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
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.runner import command_line, precision, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.transients import outcomes
from pathjax.models import MLP
from pathjax.plots import transients as figures
from pathjax.reporting.tables import aligned

EXAMPLE = "python -m experiments.transients --workdir=results/transients"
VERSION = 1  # of the measurement
RATES = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0)
PERTURBATION = 1e-8  # largest change of a weight; biases stay
EVERY = 2  # steps between records


class Design(Group):
    """The settings of a cell."""

    data: str
    data_sha256: str
    rate: float
    width: int
    num_inits: int
    num_copies: int
    num_train: int
    num_test: int
    num_steps: int


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the mean log distance of the copies, the test accuracy and the loss of each initialization."""
    with precision.running_in("float64"):
        found = _trained(dataset, design)
    distance = np.asarray(found["distance_p1"], float)[:, :, 1:]
    with np.errstate(divide="ignore"):
        log_distance = np.log(distance).mean(-1)
    return standalone.to_json(
        {
            "log_distance": standalone.rounded(log_distance, 5),
            "accuracy": standalone.rounded(found["test_accuracy"].mean(-1), 4),
            "loss": standalone.rounded(found["test_loss"].mean(-1)[::5], 4),
            "norm": standalone.rounded(np.asarray(found["weight_norm"], float)[:, :, 0].mean(1)[::5], 4),
        }
    )


def _trained(dataset: Dataset, design: Design) -> dict:
    """Returns the records [time, init, member] of the original and its copies."""
    train, test = (
        (np.asarray(inputs[:num], np.float64), labels[:num])
        for (inputs, labels), num in ((dataset.train, design.num_train), (dataset.test, design.num_test))
    )
    model = MLP((design.width,), dataset.num_classes, "tanh")

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    def loss_fn(params, examples):
        inputs, labels = examples
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(predict(params, inputs), labels))

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["learning_rate"]))
    like = precision.stored("float64", model.init(jax.random.key(0), train[0][:1])["params"])

    def of_init(i: int) -> pathjax.Ensemble:
        key = jax.random.fold_in(jax.random.key(0), i)
        networks = [weights_at(key, like)]
        networks += [near(jax.random.fold_in(key, 1 + copy), networks[0]) for copy in range(design.num_copies)]
        return pathjax.independent_ensemble(dynamics, trees.stack(networks), hparams={"learning_rate": design.rate})

    ensemble = pathjax.stack_ensembles([of_init(i) for i in range(design.num_inits)])
    measures = [
        obs.norm_distance(1, every=EVERY),
        obs.weight_norm(every=EVERY),
        obs.classification(predict, {"test": test}, measures=("accuracy", "loss"), every=EVERY),
    ]
    schedule = pathjax.full_batch_schedule(len(train[1]), design.num_steps)
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    return pathjax.rollout(dynamics, ensemble, train, schedule, measures, options).records


def weights_at(key, like: dict) -> dict:
    """Draws weights from N(0, 1), with biases of 0.

    >>> weights_at(jax.random.key(0), {"bias": jnp.ones(2), "kernel": jnp.zeros((3, 2))})["bias"]
    Array([0., 0.], dtype=float32)
    """
    drawn = trees.random_normal_like(key, like)
    return _on_kernels(lambda draw, _: draw, drawn, like)


def near(key, weights: dict) -> dict:
    """Returns a copy whose weights differ by independent uniform values of at most PERTURBATION; biases are 0."""
    uniform = jax.tree.map(jax.scipy.stats.norm.cdf, trees.random_normal_like(key, weights))
    return _on_kernels(lambda w, u: w + PERTURBATION * (2 * u - 1), weights, uniform)


def _on_kernels(fn, weights: dict, others: dict) -> dict:
    """Applies fn to weights with two axes; biases are 0."""
    return jax.tree.map(lambda w, other: fn(w, other) if w.ndim == 2 else jnp.zeros_like(w), weights, others)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the table and the verdict, and writes the figure."""
    data = cells[0].settings.data
    found = outcomes.summarize({cell.settings.rate: cell.outcome for cell in cells}, EVERY)
    saved = standalone.save_result(folder, f"transients_{data}", found._asdict(), "", figures.window)
    return "\n\n".join(["\n".join(aligned(outcomes.table(found))), *outcomes.verdict(found), saved])


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_string("data", "digits", "Data set of images.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_list("rates", [f"{rate:g}" for rate in RATES], "Learning rates.", flag_values=values)
    flags.DEFINE_integer("width", 64, "Hidden units.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_copies", 2, "Perturbed copies of each initialization.", flag_values=values)
    flags.DEFINE_integer("num_train", 10_000, "Largest number of training examples.", flag_values=values)
    flags.DEFINE_integer("num_test", 2_000, "Largest number of test examples.", flag_values=values)
    flags.DEFINE_integer("num_steps", 200, "Training steps.", flag_values=values)


def _rates(texts: Sequence[str]) -> list[float]:
    try:
        rates = [float(text) for text in texts]
    except ValueError:
        rates = []
    valid = bool(rates) and all(0 < rate < float("inf") for rate in rates)
    require(valid, f"--rates={','.join(texts)}: expected positive numbers, as in --rates=0.1,1,10")
    return sorted(set(rates))


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        counts = {"num_inits": 3, "num_copies": 1, "width": 1, "num_train": 1, "num_test": 1, "num_steps": 20}
        folder = standalone.validate_flags(values, counts)
        rates = _rates(values.rates)
        fits = f"--num_steps={values.num_steps} is out of range: choose a multiple of {10 * EVERY}"
        require(values.num_steps % (10 * EVERY) == 0, fits)
        standalone.prepare()
        dataset = standalone.load(values, 1)
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("width", "num_inits", "num_copies", "num_steps")}
        given["num_train"] = min(values.num_train, len(dataset.train[1]))
        given["num_test"] = min(values.num_test, len(dataset.test[1]))
        sha = dataset.origin["sha256"]
        cells = [Design(data=values.data, data_sha256=sha, rate=rate, **given) for rate in rates]
        run_study(Study("transients", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
