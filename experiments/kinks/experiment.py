"""Does the law of kink crossings predict distances? python -m experiments.kinks --workdir=DIR

Trains initializations of several ReLU networks, each on batches of its own, with copies perturbed by six sizes, and
predicts the distances of each initialization's copies from the other initializations at the largest size. Each network
is a cell of a study, and several processes may share the workdir. Writes kinks.json and a figure there.

For the law count measured medians within a factor of 1.5 of the prediction, for sizes of 1e-3 and more; and, for
smaller ones, shares of copies that no kink has reached which are exp(-r d t). Against it counts anything else.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags
from ml_collections import ConfigDict
from scipy import stats

from pathjax.analysis.law_fits import MIN_UNITS
from pathjax.analysis.multiple_tests import holm
from pathjax.configs import laws
from pathjax.core.errors import require
from pathjax.experiments.laws.experiment import EXPERIMENT
from pathjax.experiments.laws.kink_law import Prediction, measured_over_predicted, predictions
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.in_memory import trajectory_of
from pathjax.experiments.runner.settings import Group, parse_settings
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.plots.kinks import predicted_and_measured
from pathjax.reporting.tables import aligned, interval, number

EXAMPLE = "python -m experiments.kinks --workdir=results/kinks"
VERSION = 1  # of the measurement
EPSILONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
CHECKED = 1e-3  # the law is to hold from this epsilon on
FACTOR = 1.5
# What differs from configs/laws.py; times of training, rate * steps, are equal for learning rates.
NETWORKS: dict[str, dict] = {
    "64-100-10, rate 0.1, batch 64": {},
    "rate 0.05, twice the steps": {"optimizer.learning_rate": 0.05, "num_steps": 2.0},
    "rate 0.02, 5 times the steps": {"optimizer.learning_rate": 0.02, "num_steps": 5.0},
    "batch 16": {"data.batch_size": 16},
    "batch 256": {"data.batch_size": 256},
    "width 30": {"model.widths": (30,)},
    "width 300": {"model.widths": (300,)},
    "leaky ReLU, slope 0.3": {"model.activation": "leaky_relu(0.3)"},
    "400 training examples": {"data.num_train": 400},
    "two spirals": {"data.name": "spirals"},
}
RATES = ("64-100-10, rate 0.1, batch 64", "rate 0.05, twice the steps", "rate 0.02, 5 times the steps")


class Design(Group):
    """The settings of a cell."""

    network: str
    num_inits: int
    num_seeds: int
    num_steps: int
    epsilons: tuple[float, ...]


def config_of(design: Design) -> ConfigDict:
    """Returns the config of a cell: that of laws, in double precision, with the network's changes."""
    config = laws.get_config()
    config.init_seeds = tuple(range(design.num_inits))
    config.perturbation.epsilons = design.epsilons
    config.perturbation.num_seeds = design.num_seeds
    config.precision = "float64"
    config.num_steps = design.num_steps
    changes = dict(NETWORKS[design.network])
    config.num_steps = round(design.num_steps * changes.pop("num_steps", 1))
    config.update_from_flattened_dict(changes)
    return config


def measure(design: Design) -> dict:
    """Returns what is measured and predicted, for each epsilon."""
    config = config_of(design)
    trajectory = trajectory_of(parse_settings(config), EXPERIMENT.observables)
    found = predictions(trajectory, max(design.epsilons), config.optimizer.learning_rate)
    rows = np.unique(np.linspace(0, trajectory.sizes["step"] - 1, 41).astype(int))
    steps = trajectory.step.values[rows].tolist()
    return standalone.to_json({"steps": steps, "epsilons": [_outcome(one, rows) for one in found]})


def _outcome(one: Prediction, rows: np.ndarray) -> dict:
    short = one._replace(untouched=one.untouched[rows].mean(1), expected=one.expected[rows].mean(1))
    return short._asdict() | {"onset_p": float(stats.ttest_1samp(_onset(one), 0).pvalue)}


def _onset(one: Prediction) -> np.ndarray:
    """Returns, for each initialization, by how much the share of untouched copies exceeds the expected one when that is
    nearest to one half."""
    rows = np.abs(one.expected - 0.5).argmin(0)
    columns = np.arange(len(one.start))
    return one.untouched[rows, columns] - one.expected[rows, columns]


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables, and writes the figure."""
    found = {cell.settings.network: cell.outcome for cell in cells}
    parts = [aligned([HEADER, *_rows(found)]), [verdict(found)], aligned([ONSET, *_onsets(found)])]
    if all(name in found for name in RATES):
        parts.append(aligned([EXCESS, *_excess(found)]))
    saved = standalone.save_result(folder, "kinks", found, "Distances that kinks predict", predicted_and_measured)
    return "\n\n".join("\n".join(part) for part in [*parts, [saved]])


HEADER = ("network", "epsilon", "d(T)/d(0)", "measured / predicted [95%]", "16, 50, 84% of members", "predicted")
ONSET = ("network", "epsilon", "p: copies without a kink as exp(-r d t) (Holm)")
# Growth beyond that at the largest epsilon: with shot noise alone, it would be proportional to the rate.
EXCESS = (
    "epsilon",
    *(f"{text}, rate {rate}" for rate in (0.1, 0.05, 0.02) for text in ("excess [quartiles]", "predicted")),
)
QUARTILES = (0.25, 0.5, 0.75)


def _rows(found: dict) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for network, outcome in found.items():
        for one in outcome["epsilons"]:
            growth = np.median(np.array(one["measured"]) / np.array(one["start"]))
            middle, low, high = measured_over_predicted(one["measured"], one["predicted"])
            texts = (
                interval(middle, low, high),
                *(_three(one[n]) for n in ("quantiles", "drawn")),
            )
            rows.append((network, f"{one['epsilon']:g}", number(growth), *texts))
    return rows


def _three(values: list) -> str:
    return ", ".join(map(number, values))


def verdict(found: dict) -> str:
    """Says for how many networks the law holds."""
    holds = []
    for network, outcome in found.items():
        medians = [
            np.median(np.array(one["measured"]) / np.array(one["predicted"]))
            for one in outcome["epsilons"]
            if one["epsilon"] >= CHECKED
        ]
        holds += [network] * bool(np.all(np.abs(np.log(medians)) <= np.log(FACTOR)))
    return (
        f"medians over initializations within a factor of {FACTOR} for epsilon >= {CHECKED:g}: {len(holds)} of "
        f"{len(found)} networks"
    )


def _onsets(found: dict) -> list[tuple[str, ...]]:
    """Returns tests of the shares of untouched copies, where kinks begin between two records of the run."""
    tests = [
        (network, one["epsilon"], one["onset_p"])
        for network, outcome in found.items()
        for one in outcome["epsilons"]
        if one["epsilon"] < CHECKED and 0.2 < min(one["expected"][1:], key=lambda share: abs(share - 0.5)) < 0.8
    ]
    if not tests:
        return []
    each = [p for *_, p in tests]
    rows = [(network, f"{e:g}", number(p)) for (network, e, _), p in zip(tests, holm(each), strict=True)]
    together = float(stats.combine_pvalues(each).pvalue)
    return [*rows, ("all, by Fisher's method, as if they were independent", "", number(together))]


def _excess(found: dict) -> list[tuple[str, ...]]:
    """Returns by how much growth exceeds that at the largest epsilon, for learning rates at equal training time: median
    over initializations, and measured over predicted medians."""
    rows: list[tuple[str, ...]] = []
    for i, one in enumerate(found[RATES[0]]["epsilons"][:-1]):
        texts = []
        for network in RATES:
            small, large = (found[network]["epsilons"][j] for j in (i, -1))
            for name in ("measured", "predicted"):
                grown = [np.array(o[name]) / np.array(o["start"]) for o in (small, large)]
                low, middle, high = np.quantile(grown[0] - grown[1], QUARTILES)
                texts.append(interval(middle, low, high) if name == "measured" else number(middle))
        rows.append((f"{one['epsilon']:g}", *texts))
    return rows


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_list("networks", list(NETWORKS), "Networks, by their names or numbers.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_seeds", 4, "Directions of each initialization.", flag_values=values)
    flags.DEFINE_integer("num_steps", 1500, "Training steps at the largest learning rate.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, {"num_inits": MIN_UNITS, "num_seeds": 1, "num_steps": 100})
        chosen = standalone.chosen_names("networks", values.networks, NETWORKS)
        every = laws.get_config().measure.evaluation_every
        fits = f"--num_steps={values.num_steps} is out of range: choose a multiple of {every}"
        require(values.num_steps % every == 0, fits)
        standalone.prepare()
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_inits", "num_seeds", "num_steps")}
        cells = [Design(network=name, epsilons=EPSILONS, **given) for name in chosen]
        run_study(Study("kinks", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
