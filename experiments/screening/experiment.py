"""Does a pattern that is learned first screen off another? python -m experiments.screening --workdir=DIR

Trains the same initializations on the same batches of two-sided dominoes, with one side blank or not: m alone, c alone,
both from the start (together), and m alone for s steps before c appears. Independent patterns are learned as fast
together as alone, and as fast after s steps as at the start. Records beside what is known of each side the gradient by
which it would be learned: that of the loss on training dominoes, less that with the side's images permuted. Each arm is
a cell of a study. Writes a json file and figures there.

That patterns are independent counts as shown if the interval of half-time together over alone lies within 0.8 to 1.25,
and that one is screened off if it lies above 1.25; otherwise it cannot be told. A half-time that is not reached counts
as the last step.
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
from pathjax.analysis.curve_fits import LOGISTIC, fit_logistic, logistic
from pathjax.analysis.intervals import mean_over_units
from pathjax.analysis.statistics import half_interval
from pathjax.analysis.thresholds import time_to_threshold
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.dominoes.half_times import SIDES
from pathjax.experiments.dominoes.model import compare
from pathjax.experiments.dominoes.probes import probe_observables
from pathjax.experiments.patterns.experiment import COUNTS, NUM_STORED, TRAINING, define_training_flags
from pathjax.experiments.patterns.tables import times_text
from pathjax.experiments.patterns.training import (
    BATCH,
    MAX_PROBE_EXAMPLES,
    Training,
    dominoes_of,
    initial_networks,
    sgd_on,
    train,
)
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.plots import screening as figures
from pathjax.reporting.tables import aligned, interval, number

EXAMPLE = "python -m experiments.screening --workdir=results/screening"
VERSION = 2  # of the measurement
ALONE = ("m alone", "c alone")
TOGETHER = "together"
SAME = (0.8, 1.25)  # ratios of half-times that count as equal
MAX_GRADIENT_EXAMPLES = 500
LATER = 300  # steps after c is shown at which the report reads the gradient for c, at the nearest stored record


class Design(Training):
    """The settings of a cell. `delay` is the number of steps before c appears; `alone` is the only side, or ""."""

    data_sha256: str
    alone: str
    delay: int

    @property
    def arm(self) -> str:
        """The name of the arm."""
        return f"{self.alone} alone" if self.alone else TOGETHER if self.delay == 0 else f"c after {self.delay}"


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns half-times since each side was shown, ends, gradients and thinned curves of all initializations."""
    model, networks = initial_networks(dataset, design)
    dynamics, predict = sgd_on(model)
    inputs, labels = dataset.train
    num, num_steps = len(labels), design.num_steps + design.delay
    views = {"": inputs, "m": shows(inputs, "m"), "c": shows(inputs, "c")}
    examples = (jnp.concatenate([jnp.asarray(view) for view in views.values()]), jnp.tile(jnp.asarray(labels), 3))
    schedule = pathjax.batch_schedule(jax.random.key(1), num, BATCH, num_steps=num_steps)
    view = np.full(num_steps, list(views).index(design.alone))
    view[: design.delay] = list(views).index("m")
    schedule = schedule._replace(indices=schedule.indices + num * jnp.asarray(view, jnp.int32)[:, None])
    probes = jax.tree.map(jnp.asarray, dataset.probes)
    observables = [
        *probe_observables(predict, probes, design.every, MAX_PROBE_EXAMPLES),
        obs.gradient_contrast(predict, contrasts(dataset.train), every=design.every),
    ]
    ensemble = pathjax.independent_ensemble(dynamics, networks)
    steps, records = train(dynamics, ensemble, examples, schedule, observables)
    chance = 1 / dataset.num_classes
    began = {"m": 0, "c": design.delay}
    times = {
        side: time_to_threshold(steps, records[f"{side}_accuracy"].T, (1 + chance) / 2) - began[side] for side in SIDES
    }
    first = int(np.searchsorted(steps, design.delay))
    stored = np.unique(np.searchsorted(steps, np.geomspace(steps[1], steps[-1], NUM_STORED)))
    names = ("m_accuracy", "c_accuracy", "both_accuracy", "m_gradient", "c_gradient")
    fits = {side: fit_logistic(steps, records[f"{side}_accuracy"], chance) for side in SIDES}
    return {
        "chance": chance,
        "fits": {side: rounded(fit.of_units) for side, fit in fits.items()},
        "delay": design.delay,
        "half_times": {side: own.round(3).tolist() for side, own in times.items()},
        "gradients": {side: rounded(records[f"{side}_gradient"][:, [0, first]]) for side in SIDES},
        "ends": {name: rounded(own[:, -1]) for name, own in records.items()},
        "steps": steps[stored].tolist(),
        "curves": {name: rounded(records[name][:, stored]) for name in names},
    }


def rounded(values: np.ndarray) -> list:
    """Returns values with four significant digits, as lists."""
    return (
        [[float(f"{value:.4g}") for value in row] for row in values] if values.ndim == 2 else rounded(values[None])[0]
    )


def shows(images: np.ndarray, side: str) -> np.ndarray:
    """Returns dominoes of which only one side is shown; the other is 0.

    >>> shows(np.ones((1, 4, 1, 1)), "c").ravel().tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    found, half = images.copy(), images.shape[1] // 2
    found[:, half:] *= side == "c"
    found[:, :half] *= side == "m"
    return found


def contrasts(train_set: tuple[np.ndarray, np.ndarray]) -> dict[str, tuple[tuple, tuple]]:
    """Returns for each side training dominoes, and the same with that side's images permuted."""
    images, labels = (a[:MAX_GRADIENT_EXAMPLES] for a in train_set)
    order, half = np.random.default_rng(0).permutation(len(labels)), images.shape[1] // 2
    found: dict[str, tuple[tuple, tuple]] = {}
    for side, rows in (("m", slice(0, half)), ("c", slice(half, None))):
        other = images.copy()
        other[:, rows] = images[order, rows]
        given, permuted = ((jnp.asarray(one), jnp.asarray(labels)) for one in (images, other))
        found[side] = given, permuted
    return found


HEADER = (
    *("arm", "half-time of m [95%]", "half-time of c since shown [95%]", "ratio to c alone [95%]"),
    *("gradient for c when shown / at the start [95%]", f"about {LATER} steps later / when shown [95%]"),
    *("accuracy of c at the end [95%]", "conflict: c [95%]"),
)
NOTE = (
    "Means over initializations, of ratios geometric ones, which are paired. Runs end when c has been shown for "
    "equally many steps. Gradient for c: the norm of the gradient on training dominoes less that with the images of c "
    "permuted."
)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the table and the verdicts, and writes the figures."""
    found = {cell.settings.arm: cell.outcome for cell in cells}
    rows = [_row(arm, out, found.get("c alone")) for arm, out in found.items()]
    parts = ["\n".join([*aligned([HEADER, *rows]), "", NOTE])]
    if all(arm in found for arm in (*ALONE, TOGETHER)):
        parts.append("\n".join([*(_verdict(found, side) for side in SIDES), *_predicted(found)]))
    drawn = {"arms": found}
    saved = [
        standalone.save_result(folder, "screening", drawn, "What is learned of c, once it is shown", figures.learning),
        standalone.save_result(folder, "screening_gradient", drawn, "What gradient is left for c?", figures.gradient),
    ]
    return "\n\n".join([*parts, "\n".join(saved)])


class Ratio(NamedTuple):
    """Half-times over those of another arm: the geometric mean over initializations, which are paired, and its 95%
    interval; a lower bound where `missing` initializations do not reach theirs, which count as the last step."""

    value: float
    low: float
    high: float
    missing: int

    def __str__(self) -> str:
        return f"more than {number(self.low)}" if self.missing else interval(self.value, self.low, self.high)


def ratio_of(outcome: dict, other: dict, side: str) -> Ratio:
    """Returns the ratio of an arm's half-times to another's."""
    times = np.array(outcome["half_times"][side], float)
    shown = outcome["steps"][-1] - outcome["delay"] * (side == "c")
    missing = int(np.isnan(times).sum())
    logs = np.log(np.where(np.isnan(times), shown, times) / np.array(other["half_times"][side], float))
    mean, reach = logs.mean(), float(half_interval(logs))
    value, low, high = (float(np.exp(one)) for one in (mean, mean - reach, mean + reach))
    return Ratio(value, low, high, missing)


def _verdict(found: dict, side: str) -> str:
    ratio = ratio_of(found[TOGETHER], found[f"{side} alone"], side)
    said = f"{side}: half-time together / alone {ratio}: "
    if ratio.low > SAME[1]:
        return f"{said}screened off by the other side"
    if not ratio.missing and SAME[0] <= ratio.low and ratio.high <= SAME[1]:
        return f"{said}independent"
    return f"{said}{'helped by the other side' if ratio.high < SAME[0] and not ratio.missing else 'cannot tell'}"


def _predicted(found: dict) -> list[str]:
    """Holds curves of the arm with both sides against those that are fitted to the arms with one, if independent."""
    together, steps = found[TOGETHER], np.array(found[TOGETHER]["steps"])
    chance = together["chance"]
    alone = {side: np.array(found[f"{side} alone"]["fits"][side]) for side in SIDES}
    lines = [
        f"{side} alone: {', '.join(f'{name} {_mean(values)}' for name, values in zip(LOGISTIC, fit.T, strict=True))}"
        for side, fit in alone.items()
    ]
    p = {side: np.array([logistic(steps, one) for one in fit]) for side, fit in alone.items()}
    predicted = {f"only {side} shown": chance + (1 - chance) * own for side, own in p.items()}
    predicted["both shown"] = 1 - (1 - chance) * (1 - p["m"]) * (1 - p["c"])
    for (name, own), record in zip(predicted.items(), ("m_accuracy", "c_accuracy", "both_accuracy"), strict=True):
        one = compare(steps, np.array(together["curves"][record]), own)
        lines.append(
            f"trained together, {name}: accuracy less that of independent patterns, fitted alone: rms "
            f"{number(one.rms)}, largest {number(one.largest)} ± {number(one.reach_there)} at step {one.at_step:g}"
        )
    return lines


def _mean(values: np.ndarray) -> str:
    return interval(*mean_over_units(values))


def _row(arm: str, out: dict, alone: dict | None) -> tuple[str, ...]:
    times = {side: np.array(out["half_times"][side], float) for side in SIDES}
    start, shown = np.array(out["gradients"]["c"]).T
    nearest = np.abs(np.array(out["steps"]) - out["delay"] - LATER).argmin()
    later = np.array(out["curves"]["c_gradient"])[:, nearest]
    return (
        arm,
        "" if arm == "c alone" else times_text(times["m"]),
        "" if arm == "m alone" else times_text(times["c"]),
        str(ratio_of(out, alone, "c")) if alone and arm != "m alone" else "",
        _ratio_text(shown / start) if arm not in ALONE else "",
        _ratio_text(later / shown) if arm != "m alone" else "",
        interval(*mean_over_units(np.array(out["ends"]["c_accuracy"]))),
        interval(*mean_over_units(np.array(out["ends"]["conflict_c_accuracy"]))),
    )


def _ratio_text(ratios: np.ndarray) -> str:
    logs = np.log(ratios)
    mean, reach = logs.mean(), float(half_interval(logs))
    return interval(*np.exp([mean, mean - reach, mean + reach]))


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figures.", flag_values=values)
    flags.DEFINE_list("delays", ["0", "20", "50", "100", "200", "400", "800"], "Steps of m alone.", flag_values=values)
    define_training_flags(values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        usable = all(one.isdecimal() and int(one) % values.every == 0 for one in values.delays)
        expected = f"expected multiples of --every={values.every}, as in --delays=0,{10 * values.every}"
        require(usable, f"--delays={','.join(values.delays)}: {expected}")
        standalone.prepare()
        given = {name: getattr(values, name) for name in TRAINING} | {"width": int(values.widths[0])}
        dataset = dominoes_of(Training(**given))
        command_line.make_folder(folder)
        given |= {"data_sha256": dataset.origin["sha256"]}
        cells = [Design(alone=side, delay=0, **given) for side in SIDES]
        cells += [Design(alone="", delay=int(delay), **given) for delay in values.delays]
        run_study(Study("screening", VERSION, lambda cell: measure(dataset, cell), report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
