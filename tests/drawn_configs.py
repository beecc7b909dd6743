"""Configs drawn at random, as flags: some with one thing wrong, others right. test_config_fuzz.py runs them."""

import pathlib
import re
import tempfile
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from pathjax.models import ACTIVATIONS

ROOT = pathlib.Path(__file__).parents[1]
DIVERGENCE, LYAPUNOV = ("digits", "smoke"), ("lyapunov", "lyapunov_small")
EVERY = DIVERGENCE + LYAPUNOV


class Wrong(NamedTuple):
    """Flags that make a config invalid, a pattern of what must be named, and the configs of which that is true."""

    flags: tuple[str, ...]
    named: str
    configs: tuple[str, ...] = EVERY


def config_flag(name: str) -> str:
    return f"--config={ROOT / 'configs' / name}.py"


# What is wrong: each strategy draws a Wrong.


def one(key: str, *values, named: str = "", configs=EVERY):
    """A setting that fits none of these values or strategies of them; the message names its key, if not `named`."""
    drawn = st.one_of(*(v if isinstance(v, st.SearchStrategy) else st.just(v) for v in values))
    return drawn.map(lambda value: Wrong((f"--config.{key}={value}",), named or re.escape(key.split(".")[-1]), configs))


def several(named: str, *given_flags: str, configs=EVERY):
    """Flags that are wrong together."""
    return st.just(Wrong(given_flags, named, configs))


WORDS = st.from_regex(r"[a-z]{3,8}x", fullmatch=True)  # no setting, and no word that would fit one, ends with an x
NO_INT = st.one_of(WORDS, st.sampled_from(["", "1.5", "1e3", "nan", "inf", "None", "1,2", "()", "--1"]))
NO_FLOAT = st.one_of(WORDS, st.sampled_from(["", "none", "0.1,0.2", "1e", "(0.1,)", "0,1", "True"]))
BELOW_1 = st.integers(max_value=0)
HUGE = st.integers(min_value=2**31, max_value=10**40)
NOT_POSITIVE = st.one_of(st.floats(max_value=0), st.sampled_from(["nan", "inf", "-inf", "1e300", "1e999", -0.0]))
NO_FRACTION = st.one_of(st.floats(max_value=0, exclude_max=True), st.floats(min_value=1), st.just("nan"))
NO_WIDTHS = ("16,0", "-1", "16.5", "16,abc", "True", "None", "nan", "((16,),)", "1j", "", "(16,", "16,,8")
NO_EPSILONS = ("0", "-0.1", "2.5", "nan", "1e999", "1e-3,abc", "0.1,0.1", "0.1,0.10", "()", "", "0.1,None", "0.1,,1")
WHOLE = ("seed", "num_steps", "chunk_length", "checkpoint_every", "data.batch_size", "perturbation.num_seeds")
COUNTS = (*WHOLE[1:4], WHOLE[5], "measure.distance_every", "measure.tangent_every", "measure.evaluation_every")
COUNTS += ("measure.num_tangents", "measure.max_train_examples")

TYPES = (
    *(one(key, NO_INT) for key in (*WHOLE, "measure.num_tangents", "measure.tangent_every")),
    *(one(f"optimizer.{key}", NO_FLOAT) for key in ("learning_rate", "momentum", "b1", "weight_decay")),
    one("perturbation.per_leaf", WORDS, "2", "", "None", "1.5"),
    one("checks", WORDS, "2", "", "None", "1.5"),
    one("measure.whole_spectrum", WORDS, "2", configs=LYAPUNOV),
    one("optimizer", "sgd", "3", "", named="is a group of settings"),
    one("measure", WORDS, named="is a group of settings"),
    one("model.widths[0]", WORDS, "1.5", named=r"widths\[0\]"),
    one("model.widths[5]", "3", named="no such item"),
)
RANGES = (
    *(one(key, BELOW_1, HUGE) for key in COUNTS),
    one("measure.num_function_tangents", BELOW_1, HUGE, st.integers(641, 1000), named="tangents", configs=LYAPUNOV),
    one("measure.probe_examples", BELOW_1, HUGE, configs=LYAPUNOV),
    one("measure.correlation_every", BELOW_1, HUGE, configs=DIVERGENCE),
    one("measure.num_tangents", st.integers(100_000, 2**31 - 1), named="tangents do not fit"),
    one("seed", st.integers(max_value=-1), st.integers(2**32, 10**40)),
    one("data.batch_size", BELOW_1, st.integers(1501, 10**40), named="batch size .* does not fit 1500 examples"),
    one("optimizer.learning_rate", NOT_POSITIVE),
    one("memory_gib", st.floats(max_value=0), "nan", "inf", named="memory_gib"),
    one("memory_gib", st.floats(1e-9, 1e-5), named="members, one member at a time, need .* bytes"),
    one("optimizer.momentum", NO_FRACTION),
    one("model.widths", *NO_WIDTHS, named="widths|width"),
    one("model.widths", st.integers(2**27, 10**40), named="model.widths"),
    one("perturbation.epsilons", *NO_EPSILONS, st.floats(max_value=0), st.floats(min_value=2.1), named="epsilon"),
    one("perturbation.epsilons", st.integers(10**309, 10**320), named="epsilons holds [1-9]"),
    one("perturbation.num_seeds", st.integers(10**8, 2**31 - 1), named="num_seeds"),
    several("epsilon 3e\\+99 ", "--config.perturbation.kind=gaussian", "--config.perturbation.epsilons=1,3e99"),
    several("epsilon 0 ", "--config.perturbation.kind=gaussian", "--config.perturbation.epsilons=0"),
)
NAMES = (
    one("data.name", WORDS, "", "Digits", named="unknown data set"),
    one("precision", WORDS, "", "Float32", "fp16", named="unknown precision"),
    one("model.activation", WORDS, "", "Tanh", named="unknown activation"),
    one("optimizer.name", WORDS, "", "SGD", named="unknown optimizer"),
    one("perturbation.kind", WORDS, "", named="unknown perturbation.kind"),
    one("experiment", WORDS, "", named="unknown experiment"),
    *(WORDS.map(lambda word, at=at: Wrong((f"--config.{at}{word}=3",), word)) for at in ("", "model.", "measure.")),
    WORDS.map(lambda word: Wrong((f"--config.seed.{word}=3",), word)),
    WORDS.map(lambda word: Wrong((f"--{word}=3",), word)),
    WORDS.map(lambda word: Wrong((word,), f"'{word}' is no flag")),
    several("unknown setting --config.:", "--config.=3"),
    several("unknown flag --noresum:", "--noresum"),
    one("experiment", "lyapunov", named="no measure.*experiment 'lyapunov'.*configs/lyapunov.py", configs=DIVERGENCE),
    one("experiment", "divergence", named="no measure.*experiment 'divergence'.*configs/digits.py", configs=LYAPUNOV),
)
FITS = (
    one("measure.tangent_every", st.sampled_from([3, 7, 11, 15, 30]), named="every="),
    one("measure.distance_every", st.sampled_from([3, 4, 20]), named="measure.distance_every"),
    one("measure.evaluation_every", st.sampled_from([7, 15, 64]), named="every="),
    one("measure.correlation_every", st.sampled_from([3, 20]), named="every=", configs=DIVERGENCE),
    one("num_steps", st.integers(1, 49), st.integers(51, 99), named="steps are no multiple of every=50"),
    one("chunk_length", st.integers(1, 49), st.integers(51, 99), named="chunk_length"),
    one("measure.anchors", "0,0", "5", "-10", "0,-10", "0,10,15", named="anchor -?[0-9]+ ", configs=DIVERGENCE),
    one("measure.anchors", "()", "1000000", named="measure.anchors", configs=DIVERGENCE),
    one("measure.anchors", "", "abc", "1.5", "None", "True", HUGE, named="measure.anchors holds", configs=DIVERGENCE),
    one("measure.whole_spectrum", "True", named="whole spectrum of", configs=LYAPUNOV[:1]),
)
BUTTERFLY = ("butterfly",)
KIND = "--config.perturbation.kind"
DISTURBED = (
    one("perturbation.at_steps", "-1,", "2000,", "5,99999", named="at_steps holds -?[0-9]+: choose", configs=BUTTERFLY),
    one("perturbation.at_steps", "()", "abc,", "1.5,", HUGE, named="at_steps", configs=BUTTERFLY),
    one("perturbation.at_steps", "5,5", named="at_steps .* repeat", configs=BUTTERFLY),
    one("perturbation.duration", BELOW_1, HUGE, NO_INT, configs=BUTTERFLY),
    *(
        several(f"'{kind}' has no size: .* in place of 6", f"{KIND}={kind}", configs=BUTTERFLY)
        for kind in ("label", "example", "batch", "permutation")
    ),
    *(
        several(f"'{kind}' is the same for all 4 seeds", f"{KIND}={kind}", configs=BUTTERFLY)
        for kind in ("gradient", "learning_rate", "b1")
    ),
    several("'momentum' moves the momentum, and optimizer 'sgd'", f"{KIND}=momentum", configs=BUTTERFLY),
    several("whole numbers from 1", f"{KIND}=ulps", configs=BUTTERFLY),
    several("from 0 to 1", f"{KIND}=label_noise", "--config.perturbation.epsilons=0.5,1.5", configs=BUTTERFLY),
    one("measure.examples", "0,0", "(0,),", "(0,-1),", "(0,0,0),", "abc", configs=("sensitivity",)),
    one("measure.num_directions", BELOW_1, HUGE, configs=("sensitivity",)),
)
# Optimizer, and a hyperparameter that it does not have.
LACKING = {"sgd": ("b1", "decay"), "adam": ("momentum", "weight_decay"), "adamw": ("decay",), "rmsprop": ("b2",)}
CONFLICTS = (
    *(
        several(f"'{name}' has no '{key}'", f"--config.optimizer.name={name}", f"--config.optimizer.{key}=0.5")
        for name, keys in LACKING.items()
        for key in keys
        # The Lyapunov configs give a momentum, which is then the first that does not fit.
        if name == "sgd" or key == "momentum"
    ),
    several("b2 1 is out of range", "--config.optimizer.name=adam", "--config.optimizer.b2=1", configs=DIVERGENCE),
    several("weight_decay", "--config.optimizer.name=adamw", "--config.optimizer.weight_decay=-1", configs=DIVERGENCE),
    several("--resume or --overwrite", "--resume", "--overwrite"),
    several("--resume=x", "--resume=x"),
    one("data.name", "mnist", "fashion_mnist", named="mnist' is not in"),
    *(
        several(f"mnist' is not in .*{place}", "--config.data.name=mnist", f"--config.data.data_dir=/{place}")
        for place in ("absent", "dev/null")
    ),
)
PLACES = (
    "--workdir=",
    "--workdir=/dev/null",
    "--workdir=/dev/null/run",
    f"--workdir={tempfile.gettempdir()}/{'long' * 100}",
    f"--workdir={ROOT}",
    f"--workdir={ROOT / 'setup.py'}",
    f"--workdir={ROOT / 'setup.py' / 'run'}",
)
WORKDIRS = tuple(several(re.escape(place.split("=")[1] or "--workdir"), place) for place in PLACES)
WRONG = st.one_of(*TYPES, *RANGES, *NAMES, *FITS, *DISTURBED, *CONFLICTS, *WORKDIRS)

# Settings that may be anything of these without curing what is wrong, or being reported before it.
HARMLESS = {
    "name": WORDS,
    "seed": st.integers(0, 2**32 - 1),
    "model.activation": st.sampled_from(sorted(ACTIVATIONS)),
    "optimizer.learning_rate": st.floats(1e-6, 1e6),
    "perturbation.per_leaf": st.sampled_from(["true", "false", "True", "0", "1"]),
    "checkpoint_every": st.integers(1, 10**6),
    "measure.max_train_examples": st.integers(1, 10**6),
    "data.batch_size": st.integers(1, 1500),
}


@st.composite
def invalid(draw) -> tuple[list[str], str]:
    """Flags with one thing wrong among others that are right, and what the message must name."""
    wrong = draw(WRONG)
    touched = {flag.split("=")[0] for flag in wrong.flags}
    keys = draw(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True, max_size=3))
    right = [f"--config.{key}={draw(HARMLESS[key])}" for key in keys if f"--config.{key}" not in touched]
    return [
        config_flag(draw(st.sampled_from(wrong.configs))),
        *draw(st.permutations([*right, *wrong.flags])),
    ], wrong.named


# What is right.

HYPERPARAMETERS = {
    "sgd": {"momentum": st.floats(0, 0.9)},
    "adam": {"b1": st.floats(0, 0.9), "b2": st.floats(0.9, 0.999)},
    "adamw": {"b1": st.floats(0, 0.9), "b2": st.floats(0.9, 0.999), "weight_decay": st.floats(0, 0.1)},
    "rmsprop": {"decay": st.floats(0.5, 0.99)},
}


@st.composite
def optimizers(draw) -> dict:
    name = draw(st.sampled_from(sorted(HYPERPARAMETERS)))
    # Small enough that no baseline diverges: a distance of what is not finite is not 0.
    rate = draw(st.floats(1e-4, 0.1 if name == "sgd" else 0.01))
    others = HYPERPARAMETERS[name]
    chosen = draw(st.lists(st.sampled_from(sorted(others)), unique=True))
    given_values = {f"optimizer.{key}": draw(others[key]) for key in chosen}
    return {"optimizer.name": name, "optimizer.learning_rate": rate} | given_values


@st.composite
def cadences(draw) -> dict:
    """Cadences of which each divides the next, and steps, chunks and checkpoints that fit them."""
    levels = [1, *np.cumprod(draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))).tolist()]
    distance, tangent = sorted(draw(st.lists(st.sampled_from(levels), min_size=2, max_size=2)))
    correlation, evaluation = draw(st.sampled_from(levels)), draw(st.sampled_from(levels))
    slowest = max(tangent, correlation, evaluation)
    every = {"distance_every": distance, "tangent_every": tangent, "evaluation_every": evaluation}
    chosen = {f"measure.{key}": value for key, value in every.items()}
    chosen |= {"measure.correlation_every": correlation, "num_steps": slowest * draw(st.integers(1, 12))}
    chosen |= {"chunk_length": slowest * draw(st.integers(1, 15)), "checkpoint_every": draw(st.integers(1, 40))}
    later = draw(st.lists(st.integers(1, 20), unique=True, max_size=3))
    return chosen | {"measure.anchors": listed(correlation * anchor for anchor in (0, *later))}


def listed(values) -> str:
    """As flags take a tuple."""
    return f"({''.join(f'{value},' for value in values)})"


@st.composite
def perturbations(draw) -> dict:
    kind = draw(st.sampled_from(["sphere", "gaussian"]))
    # From 1e-3: the grid of floats is too coarse for less in the smallest of these networks.
    sizes = draw(st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=3, unique=True))
    chosen = {"kind": kind, "per_leaf": draw(st.booleans()), "epsilons": listed(sizes)}
    chosen |= {"num_seeds": draw(st.integers(1, 3))}
    return {f"perturbation.{key}": value for key, value in chosen.items()}


@st.composite
def valid(draw) -> list[str]:
    """Flags of a run of at most some hundred steps of a small network."""
    chosen = draw(optimizers()) | draw(cadences()) | draw(perturbations())
    chosen |= {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "data.batch_size": draw(st.integers(1, 1500)),
        "model.widths": listed(draw(st.lists(st.integers(1, 12), max_size=2))),
        "model.activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "precision": draw(st.sampled_from(["float32", "float32", "tf32", "bfloat16", "float64"])),
        "checks": draw(st.booleans()),
        "member_tile": draw(st.sampled_from(["auto", "all", "1", "3"])),
        "measure.num_tangents": draw(st.integers(1, 4)),
        "measure.max_train_examples": draw(st.integers(1, 2000)),
    }
    if draw(st.booleans()):
        return [config_flag("smoke"), *(f"--config.{key}={value}" for key, value in chosen.items())]
    chosen = {key: v for key, v in chosen.items() if key not in ("measure.anchors", "measure.correlation_every")}
    probe = draw(st.integers(1, 300))
    chosen |= {
        "measure.probe_examples": probe,
        "measure.num_function_tangents": draw(st.integers(1, min(10 * probe, 8))),
        "measure.whole_spectrum": draw(st.booleans()),
    }
    if chosen["measure.whole_spectrum"]:
        chosen["model.widths"] = listed([draw(st.integers(1, 2))])  # each dimension is a tangent, and a dense column
    return [config_flag("lyapunov_small"), *(f"--config.{key}={value}" for key, value in chosen.items())]


# Kinds of disturbances, by what they take: any size, none (one epsilon), the same for all seeds (one seed).
SIZED = ("sphere", "gaussian", "one_weight", "curvature", "scales", "example_weight", "momentum")
KINDS = {
    **{kind: {} for kind in SIZED},
    **{kind: {"epsilons": "1,"} for kind in ("label", "example", "batch", "permutation")},
    **{kind: {"num_seeds": 1} for kind in ("gradient", "learning_rate", "momentum_rate")},
    "label_noise": {"epsilons": "0.1,1"},
    "ulps": {"epsilons": "1,1000"},
}


@st.composite
def disturbed(draw) -> list[str]:
    """Flags of a run whose members are disturbed at steps of their own."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    steps = draw(st.integers(1, 10))
    at = draw(st.lists(st.integers(0, 10 * steps - 1), min_size=1, max_size=4, unique=True))
    chosen = {"kind": kind, "epsilons": "0.01,0.5", "num_seeds": draw(st.integers(1, 3)), "at_steps": listed(at)}
    lasting = kind not in ("learning_rate", "momentum_rate")
    chosen |= {"duration": draw(st.integers(1, 20)) if lasting else 1, "per_leaf": draw(st.booleans())} | KINDS[kind]
    flags = {f"perturbation.{key}": value for key, value in chosen.items()}
    flags |= {"num_steps": 10 * steps, "measure.distance_every": draw(st.sampled_from([1, 2, 10]))}
    flags |= {
        "measure.tangent_every": 10,
        "measure.evaluation_every": 10,
        "measure.num_points": draw(st.integers(2, 5)),
    }
    flags |= {"model.widths": listed(draw(st.lists(st.integers(1, 12), min_size=1, max_size=2)))}
    flags |= {"optimizer.momentum": draw(st.floats(0, 0.9)), "data.batch_size": draw(st.integers(2, 200))}
    flags |= {"member_tile": draw(st.sampled_from(["auto", "all", "1", "3"]))}
    return [config_flag("butterfly"), *(f"--config.{key}={value}" for key, value in flags.items())]


@st.composite
def differentiated(draw) -> list[str]:
    """Flags of a run with its derivatives."""
    steps = draw(st.integers(1, 10))
    examples = draw(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 7)), min_size=1, max_size=3, unique=True))
    flags = draw(optimizers()) | {"num_steps": 10 * steps, "measure.distance_every": 10, "measure.tangent_every": 10}
    flags |= {"measure.evaluation_every": 10, "measure.num_directions": draw(st.integers(1, 3))}
    flags |= {"measure.examples": listed(examples), "data.batch_size": draw(st.integers(8, 100))}
    flags |= {"model.activation": draw(st.sampled_from(sorted(ACTIVATIONS)))}
    flags |= {"model.widths": listed(draw(st.lists(st.integers(1, 12), max_size=2)))}
    unset = {} if "optimizer.momentum" in flags or flags["optimizer.name"] == "sgd" else {"optimizer.momentum": None}
    return [config_flag("sensitivity"), *(f"--config.{key}={value}" for key, value in (flags | unset).items())]
