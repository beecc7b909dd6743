"""What does a nudge cost, in bits? python -m experiments.steering --workdir=DIR

The price of an outcome is -log2 of the probability that a random initialization, trained without a nudge, ends as far
towards it as nudged runs do on average. "Towards" is along the difference of the mean predictions with and without the
nudge, in a plane around the data. Common outcomes are counted, rare ones found by subset simulation over initial
weights, with moves that keep the spheres on which they are drawn. Each nudge on each data set is a cell of a study, and
several processes may share the workdir; one more cell is a linear model, whose tail of 2^-50 is known.

The claim (seed 001 of the project's origins) is that "simple nudges" apply about 50 bits. It is supported by a price
whose interval reaches 50 bits; a price below that speaks against it. Prices above 10 bits are more than 1,000 runs can
show.
"""

import math
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import pathjax
from pathjax.analysis.boundaries import Plane, plane_of
from pathjax.analysis.intervals import Interval, spread_of_units
from pathjax.analysis.subset_simulation import counted, subset_simulation
from pathjax.core.errors import require
from pathjax.data import Dataset, load_dataset
from pathjax.data.synthetic import PLANE_SETS
from pathjax.experiments.critical_periods.kinds import RATE, Task, loss_of
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.steering.linear import price_of_linear
from pathjax.experiments.steering.outcomes import Outcome, ends_of, probability_of_one
from pathjax.experiments.steering.starts import Spheres, spheres_of
from pathjax.interventions import windowed
from pathjax.models import MLP
from pathjax.plots import steering as figures
from pathjax.reporting.tables import aligned, interval, number

EXAMPLE = "python -m experiments.steering --workdir=results/steering"
VERSION = 1  # of the measurement
NUM_TRAIN, SIDE, NUM_BINS = 64, 24, 40
COMMON = 20  # plain runs that reach an outcome that is counted
MAX_BITS = 100.0
CLAIMED, RARE = 50.0, 10.0  # bits: of the claim, and more than 1,000 runs can show
LINEAR = "linear model"
KNOWN_BITS = 50.0


class NudgeOf(NamedTuple):
    """A kind of critical_periods.kinds, its strength, and its number of steps from the start."""

    kind: str
    strength: float
    steps: int


NUDGED: dict[str, NudgeOf] = {
    "L1, 100 steps": NudgeOf("l1", 3e-3, 100),
    "L1, 1000 steps": NudgeOf("l1", 3e-3, 1000),
    "10 times the L1, 100 steps": NudgeOf("l1", 3e-2, 100),
    "another data set, 100 steps": NudgeOf("another data set", 1.0, 100),
    "another data set, 1000 steps": NudgeOf("another data set", 1.0, 1000),
}


class Design(Group):
    """The settings of a cell."""

    data: str
    nudge: str
    width: int
    rest: int
    num_plain: int
    num: int
    num_repeats: int


class Linear(Group):
    """The settings of the cell of the linear model."""

    known: float
    data: str = LINEAR
    nudge: str = ""


class Trained(NamedTuple):
    """Training on one data set: starts, the plane, and `end(vectors, nudged) -> probabilities[n, point]`."""

    starts: Spheres
    plane: Plane
    end: Callable[[np.ndarray, bool], np.ndarray]


def measure(design: Design | Linear) -> dict:
    """Returns the price, with what it is made of."""
    if isinstance(design, Linear):
        found = price_of_linear(design.known)
        return standalone.to_json({"price": found, "method": "subset simulation", "known": design.known})
    nudge = NUDGED[design.nudge]
    dataset = load_dataset(design.data, num_train=NUM_TRAIN)
    starts, plane, end = training_of(dataset, nudge, design.width, design.rest)
    rng = np.random.default_rng(0)
    vectors = starts.draw(rng, design.num_plain)
    plain, nudged = end(vectors, False), end(vectors, True)
    outcome = Outcome(plain.mean(0), nudged.mean(0) - plain.mean(0), (plane.near + plane.empty) / 2)
    # Other starts than those that the direction is made of.
    others = starts.draw(rng, design.num_plain)
    scores, reached = outcome.score(end(others, False)), outcome.score(end(others, True))
    price, method = counted(scores, 1.0), "counting"
    if (scores >= 1.0).sum() < COMMON:
        method = "subset simulation"
        sizes: dict = {"num": design.num, "num_repeats": design.num_repeats, "max_bits": MAX_BITS}
        price = subset_simulation(
            rng, starts.draw, starts.move, lambda some: outcome.score(end(some, False)), 1.0, **sizes
        )
    side = plane.num
    return standalone.to_json(
        {
            "price": price,
            "method": method,
            "counted": counted(scores, 1.0),
            "plain_sd": spread_of_units(scores),
            "nudged_sd": spread_of_units(reached),
            "nudged_mean": float(reached.mean()),
            "moved": float(np.sqrt((outcome.weights * outcome.toward**2).sum())),
            "histograms": _histograms(scores, reached),
            "pictures": [_picture(plain.mean(0), side), _picture(nudged.mean(0), side)],
            "extent": plane.extent,
        }
    )


def training_of(dataset: Dataset, nudge: NudgeOf, width: int, rest: int) -> Trained:
    """Returns how networks of a data set are drawn and trained, for `rest` steps after the nudge."""
    inputs, labels = dataset.train
    other = load_dataset("circles" if dataset.origin["name"] != "circles" else "moons", num_train=NUM_TRAIN).train
    model = MLP((width,), dataset.num_classes, "relu")
    plane = plane_of(inputs, SIDE)
    num_steps = nudge.steps + rest

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    loss_fn = loss_of(nudge.kind, Task(predict, dataset.num_classes, ()))
    plain = pathjax.training_dynamics(loss_fn, optax.sgd(RATE), stochastic=True, hparams_in_loss=True)
    dynamics = windowed(plain, ["strength"])
    starts = spheres_of(lambda key: model.init(key, inputs[:1])["params"])
    examples = jax.tree.map(jnp.asarray, (inputs, labels, *other))

    def end(vectors, nudged: bool):
        hparams = {
            "strength": 0.0,
            "strength/value": nudge.strength,
            "strength/from": 0,
            "strength/until": nudge.steps if nudged else 0,
        }
        weights = starts.weights(vectors)
        return probability_of_one(ends_of(dynamics, weights, examples, predict, plane.points, num_steps, hparams))

    return Trained(starts, plane, end)


def _histograms(plain: np.ndarray, nudged: np.ndarray) -> dict:
    """Returns counts of both, by their position in standard deviations of plain runs."""
    unit = float(plain.std(ddof=1))
    edges = np.histogram_bin_edges(np.concatenate([plain, nudged]) / unit, NUM_BINS)
    counts = [np.histogram(one / unit, edges)[0].tolist() for one in (plain, nudged)]
    return {"edges": edges.round(4).tolist(), "counts": counts, "threshold": round(1 / unit, 4)}


def _picture(values: np.ndarray, side: int) -> list:
    return [[round(float(v), 2) for v in row] for row in values.reshape(side, side)]


HEADER = (
    "data",
    "nudge",
    "price [bits, 95%]",
    "method",
    "sd of plain runs [95%]",
    "sd of nudged runs [95%]",
    "mean of other nudged runs",
    "rms shift of probabilities",
)
NOTE = (
    "Price: -log2 of the probability that a random initialization ends as far towards the nudged outcome as nudged "
    "runs do on average (1; plain runs are at 0 on average). Spreads are along that direction, in its units. A price "
    "near 1 bit is that of a nudge without a consistent effect. The interval is that of the probability, for a "
    "direction that is estimated from as many other runs."
)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns a table and the verdict, and writes the figures."""
    found = {(cell.settings.data, cell.settings.nudge): cell.outcome for cell in cells}
    rows = [_row(*key, outcome) for key, outcome in found.items()]
    parts = [[*aligned([HEADER, *rows]), NOTE], [_verdict(found)]]
    drawn = {" | ".join(key): one for key, one in found.items() if key[0] != LINEAR}
    if drawn:
        parts.append([standalone.save_result(folder, "steering", drawn, "", figures.prices)])
    return "\n\n".join("\n".join(part) for part in parts)


def _price(found: dict) -> Interval:
    low, high = (math.nan if v is None else float(v) for v in (found["low"], found["high"]))
    return Interval(found["bits"], low, high)


def _row(data: str, nudge: str, outcome: dict) -> tuple[str, ...]:
    price = outcome["price"]
    text = interval(*_price(price))
    if price["is_bound"]:
        text = f"more than {number(price['bits'])}"
    if data == LINEAR:
        return data, f"{outcome['known']:g} bits are known", text, outcome["method"], "", "", "", ""
    spreads = (interval(**outcome[name]) for name in ("plain_sd", "nudged_sd"))
    return data, nudge, text, outcome["method"], *spreads, number(outcome["nudged_mean"]), number(outcome["moved"])


def _verdict(found: dict) -> str:
    prices = {key: one["price"] for key, one in found.items() if key[0] != LINEAR}
    rare = [key for key, one in prices.items() if (one["low"] or 0) > RARE]
    claimed = [key for key, one in prices.items() if one["high"] is None or one["high"] >= CLAIMED]
    named = ", ".join(f"{nudge} on {data}" for data, nudge in rare) or "none"
    return (
        f"Of {len(prices)} nudges {len(rare)} cost more than {RARE:g} bits ({named}), and the interval of "
        f"{len(claimed)} reaches {CLAIMED:g} bits."
    )


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figures.", flag_values=values)
    flags.DEFINE_list("data", ["moons", "xor"], "Data sets in the plane.", flag_values=values)
    flags.DEFINE_list("nudges", list(NUDGED), "Nudges, by their names or numbers.", flag_values=values)
    flags.DEFINE_integer("width", 32, "Hidden units.", flag_values=values)
    flags.DEFINE_integer("rest", 500, "Steps after the nudge.", flag_values=values)
    flags.DEFINE_integer("num_plain", 1000, "Runs without and with the nudge.", flag_values=values)
    flags.DEFINE_integer("num", 200, "Starts at each level of subset simulation.", flag_values=values)
    flags.DEFINE_integer("num_repeats", 4, "Repetitions of subset simulation.", flag_values=values)
    flags.DEFINE_bool("linear", True, "Whether to price the linear model whose tail is known.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        counts = {"width": 1, "rest": 1, "num_plain": 100, "num": 20, "num_repeats": 2}
        folder = standalone.validate_flags(values, counts)
        chosen = standalone.chosen_names("nudges", values.nudges, NUDGED)
        data = standalone.chosen_names("data", values.data, PLANE_SETS)
        require(len(data) * len(chosen) > 0 or values.linear, "nothing to price: give --data and --nudges")
        standalone.prepare()
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in counts}
        cells: list[Group] = [Design(data=name, nudge=nudge, **given) for name in data for nudge in chosen]
        if values.linear:
            cells.append(Linear(known=KNOWN_BITS))
        run_study(Study("steering", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
