"""When do networks generalize after they have memorized? python -m experiments.grokking --workdir=DIR

Addition modulo 53, by a small transformer and by an MLP on the sum of embeddings, with AdamW. Trains copies of several
initializations, perturbed by many sizes epsilon and all on the same batches, and measures for each member at which step
it knows half of the training set and half of the test set. If the onset of generalization is set by the initialization,
copies grok together; if it is sensitive to the path, the spread over copies rises to that between initializations
as epsilon grows, or is as large for the smallest. Each network and initialization is a cell of a study. Writes a json
file and figures there.
"""

import pathlib
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from flax import linen as nn

import pathjax
from pathjax import observables as obs
from pathjax.analysis.curve_fits import fit_curves
from pathjax.analysis.intervals import mean_over_units, spread_from_baseline, spread_of_units
from pathjax.analysis.thresholds import time_to_threshold
from pathjax.core.errors import require
from pathjax.data.modular import modular_addition
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.settings import Group
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.models import TextClassifier, Transformer
from pathjax.plots import grokking as figures
from pathjax.reporting.tables import aligned, interval, number
from pathjax.theory.pattern_learning import Patterns, vector_model

EXAMPLE = "python -m experiments.grokking --workdir=results/grokking"
VERSION = 1  # of the measurement
MODULUS, SHARE = 53, 0.5
RATES = {"mlp": 1e-2, "transformer": 5e-3}
DECAY, BATCH = 1.0, 350
EPSILONS = (1e-6, 1e-4, 1e-2, 1e-1)


class LastLogits(nn.Module):
    """The logits of a transformer after the last token."""

    width: int
    num_tokens: int

    @nn.compact
    def __call__(self, tokens):
        """Maps tokens int (batch, 2) to logits (batch, num_tokens)."""
        return Transformer((self.width,), self.num_tokens, "relu", num_heads=4)(tokens)[:, -1]


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "mlp": lambda width: TextClassifier((width, width), MODULUS + 1, MODULUS + 1, "relu"),
    "transformer": lambda width: LastLogits(width, MODULUS + 1),
}


class Design(Group):
    """The settings of a cell: one network and initialization."""

    network: str
    init: int
    width: int
    rate: float
    epsilons: tuple[float, ...]
    num_seeds: int
    num_steps: int
    every: int


def measure(design: Design) -> dict:
    """Returns for each member its epsilon, the steps at which it knows half of each set, and its last accuracy."""
    train, test = (jax.tree.map(jnp.asarray, part) for part in modular_addition(MODULUS, SHARE))
    model = NETWORKS[design.network](design.width)

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    def loss_fn(params, examples):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0]), examples[1])

    optimizer = optax.adamw(design.rate, b2=0.98, weight_decay=DECAY)
    dynamics = pathjax.training_dynamics(loss_fn, optimizer)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), design.init), 2)
    params = model.init(keys[0], train[0][:1])["params"]
    made: dict = {"epsilons": design.epsilons, "num_seeds": design.num_seeds}
    ensemble = pathjax.perturbed_ensemble(keys[1], dynamics, params, pathjax.on_sphere(), **made)
    # The same batches for all initializations.
    schedule = pathjax.batch_schedule(jax.random.key(1), len(train[1]), BATCH, num_steps=design.num_steps)
    sets = {"train": train, "test": test}
    observables = [
        obs.classification(predict, sets, every=design.every, measures=["accuracy"]),
        obs.weight_distance(every=design.every),
    ]
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    found = pathjax.rollout(dynamics, ensemble, train, schedule, observables, options).records
    steps = np.arange(design.num_steps // design.every + 1) * design.every
    level = (1 + 1 / MODULUS) / 2
    curves = {name: np.asarray(found[f"{name}_accuracy"], float) for name in sets}
    members = ensemble.members
    return {
        "role": members.role.tolist(),
        "epsilon": members.epsilon.tolist(),
        "times": {name: time_to_threshold(steps, own, level).round(2).tolist() for name, own in curves.items()},
        "ends": {name: own[-1].round(4).tolist() for name, own in curves.items()},
        "distance": [float(f"{d:.4g}") for d in np.asarray(found["distance"])[-1]],
        "steps": steps[::2].tolist(),
        "baseline": {name: own[::2, 0].round(3).tolist() for name, own in curves.items()},
    }


HEADER = (
    *("network", "copies", "half of train at [95%]", "half of test at [95%]", "delay [95%]"),
    *("sd from the baseline, steps [95%]", "accuracy at the end", "d(T)"),
)
NOTE = (
    "Means over initializations, whose intervals are over them. The standard deviation is that of two runs that differ "
    "as a copy and its baseline do; for initializations, between their baselines."
)


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the tables, and writes the figures."""
    by_network: dict[str, list[dict]] = {}
    for cell in cells:
        by_network.setdefault(cell.settings.network, []).append(cell.outcome)
    rows = [row for network, outs in by_network.items() for row in rows_of(network, outs)]
    steps = [
        (network, str(i), _member(out, j), number(out["times"]["test"][j]), number(out["ends"]["test"][j]))
        for network, outs in by_network.items()
        for i, out in enumerate(outs)
        for j in range(len(out["role"]))
    ]
    fits = [line for network, outs in by_network.items() for line in model_rows(network, outs)]
    saved = []
    for network, outs in by_network.items():
        found = {"cells": outs, "network": network}
        saved += [
            standalone.save_result(folder, f"grokking_{network}", found, f"When it groks ({network})", figures.onsets),
            standalone.save_result(
                folder, f"grokking_{network}_curves", found, f"Memorized, then known ({network})", figures.curves
            ),
        ]
    parts = [
        aligned([("network", "initialization", "member", "half of test at", "accuracy at the end"), *steps]),
        [*aligned([HEADER, *rows]), NOTE],
        aligned([MODEL, *fits]),
        saved,
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _member(out: dict, j: int) -> str:
    return f"epsilon {out['epsilon'][j]:g}" if out["role"][j] == "perturbed" else out["role"][j]


def rows_of(network: str, outs: Sequence[dict]) -> list[tuple[str, ...]]:
    """Returns a row for the baselines, for one rounding error, and for each epsilon."""
    role, epsilon = np.array(outs[0]["role"]), np.array(outs[0]["epsilon"])
    times = {name: np.array([out["times"][name] for out in outs], float) for name in ("train", "test")}
    ends = np.array([out["ends"]["test"] for out in outs])
    distance = np.array([out["distance"] for out in outs])
    kinds = {"other initializations": role == "baseline", "one rounding error": role == "roundoff"}
    kinds |= {f"epsilon {e:g}": (role == "perturbed") & (epsilon == e) for e in np.unique(epsilon[epsilon > 0])}
    rows: list[tuple[str, ...]] = []
    for kind, own in kinds.items():
        each = {name: np.array([_mean(row) for row in values[:, own]]) for name, values in times.items()}
        is_base = kind == "other initializations"
        spread = (
            spread_of_units(times["test"][:, 0])
            if is_base
            else spread_from_baseline(times["test"][:, own], times["test"][:, 0])
        )
        missing = int(np.isnan(times["test"][:, own]).sum())
        lost = f" ({missing} of {times['test'][:, own].size} never)" if missing else ""
        rows.append(
            (
                *(network, kind, interval(*mean_over_units(each["train"]))),
                interval(*mean_over_units(each["test"])) + lost,
                interval(*mean_over_units(each["test"] - each["train"])),
                interval(*spread),
                f"{number(ends[:, own].min())} to {number(ends[:, own].max())}",
                "" if is_base else number(float(distance[:, own].mean())),
            )
        )
    return rows


def _mean(row: np.ndarray) -> float:
    known = row[np.isfinite(row)]
    return float(known.mean()) if len(known) else float("nan")


MODEL = ("network", "pattern", "speed per step [95%]", "half-time [95%]", "rms of residuals", "largest")


def model_rows(network: str, outs: Sequence[dict]) -> list[tuple[str, ...]]:
    """Fits the model of patterns to the baselines: one that memorizes, and a preferred one that generalizes."""
    steps = np.array(outs[0]["steps"], float)
    values = np.array([[out["baseline"][name] for name in ("train", "test")] for out in outs])
    learned = [np.array([out["times"][name][0] for out in outs], float) for name in ("train", "test")]
    if not np.isfinite(learned).all():
        return [(network, "not fitted: a baseline does not know half of the test set", "", "", "", "")]
    at = [float(one.mean()) for one in learned]
    patterns = Patterns((1.0, 1.0), (4.0 / at[0], 4.0 / at[1]), at, (0.0, 1.0), (0, 1))
    model = vector_model(steps, patterns, ("speed", "half_time"), 1 / MODULUS)
    starts = np.stack([model.start, model.start * [0.3, 0.3, 1, 1], model.start * [3, 3, 1, 1]])
    fit = fit_curves(model.predict, values, starts, lower=model.lower, upper=model.upper)
    largest = fit.residuals.ravel()[np.abs(fit.residuals).argmax()]
    ends = [interval(*one) for one in zip(fit.parameters, fit.low, fit.high, strict=True)]
    names = ("memorizes", "generalizes")
    return [(network, name, ends[i], ends[2 + i], number(fit.rms), number(largest)) for i, name in enumerate(names)]


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figures.", flag_values=values)
    flags.DEFINE_list("networks", list(NETWORKS), "Networks, by name or number.", flag_values=values)
    flags.DEFINE_list("widths", ["64", "32"], "Widths of the mlp and of the transformer.", flag_values=values)
    flags.DEFINE_integer("num_inits", 6, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_seeds", 2, "Directions of perturbations.", flag_values=values)
    flags.DEFINE_integer("num_steps", 2400, "Training steps.", flag_values=values)
    flags.DEFINE_integer("every", 20, "Steps between records.", flag_values=values)


COUNTS = {"num_inits": 2, "num_seeds": 1, "num_steps": 1, "every": 1}


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        chosen = standalone.chosen_names("networks", values.networks, NETWORKS)
        divides = f"--every={values.every} must divide --num_steps={values.num_steps}"
        require(values.num_steps % values.every == 0, divides)
        require(len(values.widths) == len(NETWORKS), f"--widths: give one for each of {', '.join(NETWORKS)}")
        widths = dict(zip(NETWORKS, map(int, values.widths), strict=True))
        standalone.prepare()
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_seeds", "num_steps", "every")} | {"epsilons": EPSILONS}
        cells = [
            Design(network=network, init=init, width=widths[network], rate=RATES[network], **given)
            for network in chosen
            for init in range(values.num_inits)
        ]
        run_study(Study("grokking", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
