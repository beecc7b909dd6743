"""What decides where training ends: python -m experiments.variance_components --workdir=DIR

Trains every initialization on every batch schedule, several times with slightly perturbed weights, and measures which
share of the variance of the final weights, function and loss is due to the initialization, the schedule, their
interaction and the perturbation. All members of one schedule run in one program, which all schedules share. Each
activation is a cell of a study, and several processes may share the workdir. Writes variance_components.json and a
figure there.
"""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax.analysis.variance_components import VarianceShares, variance_components
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.engine.layout import auto_mesh
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.settings.base import WholeNumbers
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.runner.task import cross_entropy
from pathjax.models import MLP, activation_of
from pathjax.observables.function_space import evaluate
from pathjax.plots.variance_components import shares as draw

EXAMPLE = "python -m experiments.variance_components --workdir=results/variance_components"
VERSION = 1  # of the measurement
PROBE = 200  # test examples on which functions are compared
SOURCES = ("initialization", "schedule", "interaction", "perturbation")
COUNTS = {"num_inits": 2, "num_schedules": 2, "num_repetitions": 1, "num_steps": 1, "batch_size": 1}


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_string("data", "digits", "Data set: digits, mnist or fashion_mnist.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_list("widths", ["100"], "Widths of the hidden layers.", flag_values=values)
    flags.DEFINE_list("activations", ["relu"], "Activations to compare.", flag_values=values)
    flags.DEFINE_integer("num_inits", 6, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_schedules", 6, "Number of batch schedules.", flag_values=values)
    flags.DEFINE_integer("num_repetitions", 2, "Runs of each pair, the first unperturbed.", flag_values=values)
    flags.DEFINE_float("epsilon", 1e-4, "Relative epsilon of the perturbation of the other runs.", flag_values=values)
    flags.DEFINE_integer("num_steps", 2000, "Training steps.", flag_values=values)
    flags.DEFINE_integer("batch_size", 64, "Examples per step.", flag_values=values)
    flags.DEFINE_float("learning_rate", 0.1, "Learning rate of SGD.", flag_values=values)


class Design(Group):
    """The settings of a cell: initializations crossed with schedules, for one network."""

    data_sha256: str
    widths: WholeNumbers
    activation: str
    num_inits: int
    num_schedules: int
    num_repetitions: int
    epsilon: float
    num_steps: int
    batch_size: int
    learning_rate: float


def members(model, like, values) -> pathjax.core.types.PyTree:
    """Returns the weights of all initializations (outer) and repetitions (inner), along a leading axis."""
    sphere = pathjax.on_sphere()

    def one(number, repetition):
        init_key = jax.random.fold_in(jax.random.key(0), number)
        params = model.init(init_key, like)["params"]
        along = sphere.direction(jax.random.fold_in(init_key, repetition), params)
        return sphere.apply(params, along, values.epsilon) if repetition else params

    return trees.stack([one(i, p) for i in range(values.num_inits) for p in range(values.num_repetitions)])


def outcomes(model, dataset, values) -> dict[str, np.ndarray]:
    """Returns each outcome of training as an array [initialization, schedule, repetition, ...], by name."""
    examples, test = jax.tree.map(jnp.asarray, (dataset.train, dataset.test))
    predict = _predict(model)
    starts = members(model, examples[0][:1], values)
    dynamics = pathjax.training_dynamics(cross_entropy(predict), optax.sgd(values.learning_rate))
    made = {"epsilons": [values.epsilon], "num_seeds": 1, "independent": starts}
    ensemble = pathjax.perturbed_ensemble(
        jax.random.key(1), dynamics, trees.index(starts, 0), pathjax.on_sphere(), **made
    )
    mesh = auto_mesh(len(ensemble.members.role))
    found = []
    for number in range(values.num_schedules):
        key = jax.random.fold_in(jax.random.key(2), number)
        plan = pathjax.batch_schedule(key, len(examples[1]), values.batch_size, num_steps=values.num_steps)
        result = pathjax.rollout(dynamics, ensemble, examples, plan, [], options=pathjax.RolloutOptions(mesh=mesh))
        # Through the host, because the following code runs on one device.
        params = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[4:]), result.ensemble.state.params)
        found.append(jax.tree.map(np.asarray, _outcome(predict, test, starts, params)))
        print(f"schedule {number + 1} of {values.num_schedules}", flush=True)
    shape = (values.num_schedules, values.num_inits, values.num_repetitions)
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return {name: a.reshape(*shape, *a.shape[2:]).swapaxes(0, 1) for name, a in stacked.items()}


def _outcome(predict, test, starts, params) -> dict:
    probe = test[0][:PROBE]
    flat = [leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(params)]
    moved = jax.vmap(lambda a, b: trees.norm(trees.subtract(a, b)))(params, starts)
    logits = jax.lax.map(lambda p: predict(p, probe), params)
    losses = jax.lax.map(lambda p: evaluate(predict, ("loss", "accuracy"), p, (*test, test[1])), params)
    return {
        "final weights": jnp.concatenate(flat, axis=1),
        "distance travelled": moved,
        "logits on the probe set": logits.reshape(len(logits), -1),
        "probabilities on the probe set": jax.nn.softmax(logits).reshape(len(logits), -1),
        "test loss": losses["loss"],
        "test accuracy": losses["accuracy"],
    }


def _predict(model):
    return lambda params, inputs: model.apply({"params": params}, inputs)


def table(shares: dict[str, VarianceShares]) -> str:
    """Formats shares as text, with 95% confidence intervals."""
    width = max(len(name) for name in shares) + 2
    lines = [f"{'':{width}}" + "".join(f"{source:>24}" for source in next(iter(shares.values())).sources)]
    for name, one in shares.items():
        cells = [
            f"{s:.1%} [{a:.1%}, {b:.1%}]" if np.isfinite(s) else "no repetitions"
            for s, a, b in zip(one.share, one.low, one.high, strict=True)
        ]
        lines.append(f"{name:{width}}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join([*lines, "in brackets: 95% confidence intervals (normal components)"])


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the shares of the variance of each outcome, by name."""
    found = outcomes(MLP(design.widths, dataset.num_classes, design.activation), dataset, design)
    for name, of_runs in found.items():
        lost = int((~np.isfinite(of_runs)).any(axis=tuple(range(3, of_runs.ndim))).sum())
        hint = "training diverged, choose a smaller --learning_rate"
        require(lost == 0, f"'{name}' is NaN or infinite in {lost} of {math.prod(of_runs.shape[:3])} runs: {hint}")
    # Without repetitions nothing is perturbed, and the residual is the interaction.
    sources = SOURCES if design.num_repetitions > 1 else (*SOURCES[:2], *SOURCES[:1:-1])
    return standalone.to_json({name: variance_components(of_runs, sources) for name, of_runs in found.items()})


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns a table, and writes a figure, for each activation."""
    texts = []
    for cell in cells:
        shares = {name: VarianceShares(*map(_array, one.values())) for name, one in cell.outcome.items()}
        name = "variance_components" if len(cells) == 1 else f"variance_components_{cell.settings.activation}"
        title = f"What decides where training ends ({cell.settings.activation})"
        texts += [table(shares), standalone.save_result(folder, name, shares, title, draw)]
    return "\n\n".join(texts)


def _array(values: list) -> Any:
    return tuple(values) if isinstance(values[0], str) else np.asarray(values, float)


def _check(values) -> pathlib.Path:
    folder = standalone.validate_flags(values, COUNTS, least_widths=0)
    require(0 < values.epsilon <= 2, f"--epsilon={values.epsilon} is out of range: choose more than 0 and at most 2")
    rate = values.learning_rate
    require(0 < rate < math.inf, f"--learning_rate={rate} is out of range: choose a finite value more than 0")
    for name in values.activations:
        activation_of(name)
    return folder


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = _check(values)
        standalone.prepare()
        dataset = standalone.load(values, values.batch_size)
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in Design.model_fields if hasattr(values, name)}
        given |= {"data_sha256": dataset.origin["sha256"], "widths": tuple(map(int, values.widths))}
        cells = [Design(activation=name, **given) for name in values.activations]
        run_study(Study("variance_components", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
