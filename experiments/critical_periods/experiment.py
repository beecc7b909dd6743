"""When does a nudge leave most? python -m experiments.critical_periods --workdir=DIR

Trains initializations on the same batches, and copies of each with a nudge of one kind: three strengths, two durations
and seven onsets, all in one program. What remains is the Jensen-Shannon distance to the copy without a nudge, on the
test set: at the same time after each nudge, and at the end. Each kind is a cell of a study, and several processes may
share the workdir. Writes figures there.

A critical period is supported by what remains at the same time after the nudge, if it falls with the onset: a rate of
A exp(-rate onset) whose 95% interval lies above 0, and a first onset that leaves more than the last. The opposite of
both speaks against it.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax import observables as obs
from pathjax.analysis.populations import MIN_UNITS, jackknife_of_units, mean_of_pairs
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset, load_dataset
from pathjax.data.gratings import gratings
from pathjax.data.synthetic import PLANE_SETS
from pathjax.experiments.critical_periods import tables
from pathjax.experiments.critical_periods.kinds import DURATIONS, NUDGES, ONSETS, PUSH, RATE, Task, loss_of
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.interventions import windowed
from pathjax.measures.divergences import jensen_shannon
from pathjax.models import MLP
from pathjax.plots import critical_periods as figures

EXAMPLE = "python -m experiments.critical_periods --workdir=results/critical_periods"
VERSION = 2  # of the measurement
BATCH, EVERY, NUM_INJECTED = 64, 20, 32


class Design(Group):
    """The settings of a cell."""

    data: str
    data_sha256: str
    kind: str
    width: int
    num_inits: int
    rest: int
    num_test: int


class Examples(NamedTuple):
    """The training set with another set of the same length, the test inputs, and the injected examples."""

    train: tuple
    test: tuple
    injected: tuple


def examples_of(dataset: Dataset, num_test: int) -> Examples:
    """Returns the arrays of all kinds of nudges.

    The other data set is gratings, or, for data with two inputs, circles or moons. Injected are the first training
    examples with the opposite inputs and the next class.
    """
    inputs, labels = dataset.train
    other = _other_set(dataset)
    places = np.arange(len(labels)) % len(other[1])
    opposite = inputs.max() + inputs.min() - inputs[:NUM_INJECTED]
    injected = (opposite, (labels[:NUM_INJECTED] + 1) % dataset.num_classes)
    test = tuple(part[:num_test] for part in dataset.test)
    train = (inputs, labels, other[0][places], other[1][places] % dataset.num_classes)
    return jax.tree.map(jnp.asarray, Examples(train, test, injected))


def _other_set(dataset: Dataset) -> tuple:
    shape = dataset.train[0].shape[1:]
    if shape == (2,):
        return load_dataset("circles" if dataset.origin["name"] != "circles" else "moons").train
    is_square = len(shape) == 3 and shape[0] == shape[1]
    require(is_square, f"inputs of shape {shape} have no other data set: choose square images, or a set in the plane")
    images, labels = gratings(max(dataset.num_classes, 2), shape[0])[0]
    return np.repeat(images, shape[2], axis=-1), labels


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns what remains of nudges, float[strength, duration, onset, init], and what seeds do."""
    examples = examples_of(dataset, design.num_test)
    model = MLP((design.width,), dataset.num_classes, "relu")

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    loss_fn = loss_of(design.kind, Task(predict, dataset.num_classes, examples.injected))
    plain = pathjax.training_dynamics(loss_fn, optax.sgd(RATE), stochastic=True, hparams_in_loss=True)
    dynamics = windowed(plain, ["strength"])
    num_steps = max(ONSETS) + max(DURATIONS) + design.rest
    found = _trained(dynamics, predict, model, examples, design, num_steps)
    grid = (len(NUDGES[design.kind].strengths), len(DURATIONS), len(ONSETS))
    js, disagreement = (
        np.asarray(found[f"test_{name}"], float)[..., 1:].reshape(-1, design.num_inits, *grid)
        for name in ("js_distance", "disagreement")
    )
    rows = (np.array(ONSETS)[None, :] + np.array(DURATIONS)[:, None]) // EVERY
    rested = rows + design.rest // EVERY
    logits = np.asarray(found["test_outputs"], float)[-1, :, 0]  # of the baselines
    accuracy = np.asarray(found["test_accuracy"], float)
    return standalone.to_json(
        {
            "after": _at(js, rows),
            "rested": _at(js, rested),
            "rested_disagreement": _at(disagreement, rested),
            "end": _rounded(np.moveaxis(js[-1], 0, -1)),
            "end_disagreement": _rounded(np.moveaxis(disagreement[-1], 0, -1)),
            "seeds": _rounded(_between_seeds(logits, "js_distance")),
            "seeds_disagreement": _rounded(_between_seeds(logits, "disagreement")),
            "accuracy": _rounded(accuracy[:, :, 0].mean(1)[:: max(len(accuracy) // 20, 1)]),
            "end_accuracy": _rounded(accuracy[-1].mean(0)[[0, -1]]),
            "steps": num_steps,
        }
    )


def _trained(dynamics, predict, model, examples: Examples, design: Design, num_steps: int) -> dict:
    keys = jax.random.split(jax.random.key(0), design.num_inits)
    starts = jax.vmap(lambda key: model.init(key, examples.train[0][:1])["params"])(keys)
    arms = {
        f"{strength:g} for {duration} from {onset}": {
            "strength/value": strength,
            "strength/from": onset,
            "strength/until": onset + duration,
        }
        for strength in NUDGES[design.kind].strengths
        for duration in DURATIONS
        for onset in ONSETS
    }
    hparams: dict = {"strength": 0.0, "strength/value": 0.0, "strength/from": 0, "strength/until": 0}

    def of_init(i: int):
        start = jax.tree.map(lambda leaf: leaf[None], trees.index(starts, i))
        own = hparams | ({"tilt_seed": i} if design.kind == PUSH else {})
        return pathjax.with_arms(pathjax.independent_ensemble(dynamics, start, hparams=own), arms)

    ensemble = pathjax.stack_ensembles([of_init(i) for i in range(design.num_inits)])
    num = len(examples.train[1])
    if num <= BATCH:
        schedule = pathjax.full_batch_schedule(num, num_steps)
    else:
        schedule = pathjax.batch_schedule(jax.random.key(1), num, BATCH, num_steps=num_steps)
    measures = [
        obs.classification(
            predict, {"test": examples.test}, measures=("js_distance", "disagreement", "accuracy"), every=EVERY
        ),
        obs.outputs(predict, {"test": examples.test}, per_example=["outputs"], every=num_steps),
    ]
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    return pathjax.rollout(dynamics, ensemble, examples.train, schedule, measures, options).records


def _at(values: np.ndarray, rows: np.ndarray) -> list:
    """Returns values[time, init, strength, duration, onset] at the record of each duration and onset, inits last."""
    picked = [
        [values[rows[d, o], :, :, d, o] for o in range(rows.shape[1])] for d in range(rows.shape[0])
    ]  # [duration][onset][init, strength]
    return _rounded(np.array(picked).transpose(3, 0, 1, 2))


def _rounded(values) -> list:
    return standalone.rounded(values, 3)


def _between_seeds(logits: np.ndarray, name: str) -> list:
    """Returns the distance between baselines of different initializations, with its interval."""
    num = len(logits)
    if name == "disagreement":
        chosen = logits.argmax(-1)
        distance = (chosen[:, None] != chosen[None]).mean(-1)
    else:
        of_pair = jax.vmap(jax.vmap(jax.vmap(jensen_shannon), (0, None)), (None, 0))
        distance = np.sqrt(np.asarray(of_pair(logits, logits), float)).mean(-1)

    def mean(units):
        return mean_of_pairs(distance[np.ix_(units, units)])

    return list(jackknife_of_units(mean, num)) if num >= MIN_UNITS else [mean(np.arange(num)), np.nan, np.nan]


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables, and writes the figures."""
    found = {cell.settings.kind: cell.outcome for cell in cells}
    data, rest = cells[0].settings.data, cells[0].settings.rest
    fits = {kind: tables.fits_of(outcome) for kind, outcome in found.items()}
    note = (
        f"Jensen-Shannon distance on the test set of {data} to the same initialization without a nudge, {rest} steps "
        "after the nudge; means over initializations [95%]. Kept: its share of the distance when the nudge ended. "
        "Rate: of A exp(-rate onset), with an interval by leaving out initializations; if that lies above 0, and a "
        "nudge at the first onset leaves more than one at the last, there is a critical period. rms: of the residuals, "
        "relative to A. Compare each kind with the random push, of which later ones leave less, too, as training slows."
    )
    drawn = {"kinds": found, "onsets": ONSETS, "durations": DURATIONS, "rest": rest, "data": data}
    drawn["strengths"] = {kind: NUDGES[kind].strengths for kind in found}
    parts = [
        [*tables.remains(found, fits), note],
        tables.ends(found),
        [tables.verdict(kind, of_kind) for kind, of_kind in fits.items()],
        [standalone.save_result(folder, f"critical_periods_{data}", drawn, "", figures.remains)],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figures.", flag_values=values)
    flags.DEFINE_string("data", "digits", f"Data set: images, or one of {', '.join(PLANE_SETS)}.", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.", flag_values=values)
    flags.DEFINE_list("kinds", list(NUDGES), "Kinds of nudges, by their names or numbers.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("width", 64, "Hidden units.", flag_values=values)
    flags.DEFINE_integer("rest", 1000, "Steps after a nudge at which it is seen what remains.", flag_values=values)
    flags.DEFINE_integer("num_test", 500, "Test examples.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        counts = {"num_inits": 2, "width": 1, "rest": EVERY, "num_test": 1}
        folder = standalone.validate_flags(values, counts)
        chosen = standalone.chosen_names("kinds", values.kinds, NUDGES)
        fits = f"--rest={values.rest} is out of range: choose a multiple of {EVERY}"
        require(values.rest % EVERY == 0, fits)
        standalone.prepare()
        dataset = standalone.load(values, BATCH)
        examples_of(dataset, values.num_test)
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_inits", "width", "rest", "num_test")}
        sha = dataset.origin["sha256"]
        cells = [Design(data=values.data, data_sha256=sha, kind=kind, **given) for kind in chosen]
        run_study(Study("critical_periods", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
