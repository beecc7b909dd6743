"""Random invalid configs, as flags with exactly one error, for test_config_fuzz.py."""

import re
import tempfile
from typing import NamedTuple

from hypothesis import strategies as st

from helpers.drawn_configs import ROOT, config_flag
from pathjax.models import ACTIVATIONS

DIVERGENCE, LYAPUNOV = ("digits", "smoke"), ("lyapunov", "lyapunov_small")
EVERY = DIVERGENCE + LYAPUNOV


class Wrong(NamedTuple):
    """Flags that make a config invalid, a pattern that the message must match, and the configs that they apply to."""

    flags: tuple[str, ...]
    named: str
    configs: tuple[str, ...] = EVERY


def one(key: str, *values, named: str = "", configs=EVERY):
    """Draws one setting from invalid values or strategies; the message must match `named`, by default its key."""
    drawn = st.one_of(*(v if isinstance(v, st.SearchStrategy) else st.just(v) for v in values))
    return drawn.map(lambda value: Wrong((f"--config.{key}={value}",), named or re.escape(key.split(".")[-1]), configs))


def several(named: str, *given_flags: str, configs=EVERY):
    """Returns flags that are invalid together."""
    return st.just(Wrong(given_flags, named, configs))


WORDS = st.from_regex(r"[a-z]{3,8}x", fullmatch=True)  # no setting and no valid value ends with an x
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
    one(
        "data.batch_size",
        BELOW_1,
        st.integers(1501, 10**40),
        named="batch_size .* is out of range: choose|batch size .* does not fit 1500 examples",
    ),
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
    WORDS.map(lambda word: Wrong((word,), f"'{word}' is not a flag")),
    several("unknown setting --config.:", "--config.=3"),
    several("unknown flag --noresum:", "--noresum"),
    one(
        "experiment", "lyapunov", named="lacks measure.*experiment 'lyapunov'.*configs/lyapunov.py", configs=DIVERGENCE
    ),
    one(
        "experiment", "divergence", named="lacks measure.*experiment 'divergence'.*configs/digits.py", configs=LYAPUNOV
    ),
)
FITS = (
    one("measure.tangent_every", st.sampled_from([3, 7, 11, 15, 30]), named="every="),
    one("measure.distance_every", st.sampled_from([3, 4, 20]), named="measure.distance_every"),
    one("measure.evaluation_every", st.sampled_from([7, 15, 64]), named="every="),
    one("measure.correlation_every", st.sampled_from([3, 20]), named="every=", configs=DIVERGENCE),
    one("num_steps", st.integers(1, 49), st.integers(51, 99), named="must be a multiple of every=50"),
    one("chunk_length", st.integers(1, 49), st.integers(51, 99), named="chunk_length"),
    one("measure.anchors", "0,0", "5", "-10", "0,-10", "0,10,15", named="anchor -?[0-9]+ ", configs=DIVERGENCE),
    one("measure.anchors", "()", "1000000", named="measure.anchors", configs=DIVERGENCE),
    one("measure.anchors", "", "abc", "1.5", "None", "True", HUGE, named="measure.anchors holds", configs=DIVERGENCE),
    one("measure.whole_spectrum", "True", named="whole spectrum of", configs=LYAPUNOV[:1]),
)


def of_model(name: str, key: str, *values, named: str = "", others=()):
    """Draws an invalid value of a setting that only this network uses."""
    drawn = one(f"model.{key}", *values, named=named)
    return drawn.map(lambda wrong: wrong._replace(flags=(f"--config.model.name={name}", *others, *wrong.flags)))


FAMILY = ("--config.model.parametrization=family",)
HEADS = ("--config.model.widths=8,8",)
NETWORKS = (
    one("model.name", WORDS, "", "MLP", "mlp,cnn", named="unknown model"),
    one("model.name", "text_classifier", "transformer", named="takes texts .*but the data are images: choose mlp"),
    several("model 'vit' takes images", "--config.model.name=vit", "--config.data.name=moons"),
    one("model.initializer", WORDS, "", "zeros", "Orthogonal", named="unknown initializer"),
    one("model.bias_initializer", WORDS, "", "ones", named="unknown bias_initializer"),
    one("model.parametrization", WORDS, "", "muP", "ntk,mup", named="unknown parametrization"),
    one("model.base_width", BELOW_1, HUGE, NO_INT),
    one("model.flatten", WORDS, "2", "", "None"),
    *(one(f"model.{key}", NO_INT) for key in ("num_heads", "patch_size", "blocks", "strides")),
    of_model("mlp", "family", NOT_POSITIVE.filter(lambda s: s != 0), named=r"parametrization|family", others=FAMILY),
    of_model("mlp", "family", st.floats(1.001), named="parametrization|family", others=FAMILY),
    *(of_model(name, "widths", "()", named="needs widths|one or more") for name in ("cnn", "resnet", "vit")),
    *(of_model(name, "widths", "8,0", "-1,", named="widths|width|channels") for name in ("cnn", "resnet", "vit")),
    of_model("cnn", "strides", BELOW_1, HUGE),
    of_model("resnet", "blocks", BELOW_1, HUGE),
    of_model("resnet", "norm", WORDS, "", "batch"),
    of_model("vit", "num_heads", BELOW_1, 3, 16, HUGE, named="heads", others=HEADS),
    of_model("vit", "patch_size", BELOW_1, 3, 5, 16, HUGE, named="patch", others=HEADS),
    several("blocks must be equal", "--config.model.name=vit", "--config.model.widths=8,4"),
)


def _of_induction(wrong: Wrong) -> Wrong:
    own = ("data.name=induction", "model.name=transformer", "model.widths=8,")
    return wrong._replace(flags=(*(f"--config.{one}" for one in own), *wrong.flags))


RATES = (
    one("optimizer.schedule", WORDS, "", "Cosine", named="unknown schedule"),
    one("optimizer.warmup_steps", st.integers(max_value=-1), HUGE, NO_INT, named="warm"),
    one("optimizer.warmup_steps", st.integers(10**5, 2**31 - 1), named="a warm-up of [0-9]* steps does not fit"),
)
DATA = (
    *(one(f"data.{key}", BELOW_1, HUGE, "1.5", WORDS) for key in ("num_train", "num_test", "image_size")),
    one("data.num_train", st.integers(1501, 2**31 - 1)),
    one("data.num_test", st.integers(298, 2**31 - 1)),
    one("data.num_train", st.integers(1, 9), named="num_train|batch size"),
    *(one(f"data.{key}", WORDS, "2", "", "None") for key in ("balanced", "standardize")),
    one("data.seed", st.integers(max_value=-1), st.integers(2**32, 10**40), NO_INT),
    one("data.sha256", WORDS, "0" * 64, named="SHA-256"),
    one("data.context", BELOW_1, HUGE, NO_INT).map(_of_induction),
    one("data.vocabulary_size", BELOW_1, HUGE, "1.5", WORDS).map(_of_induction),
    several("data_dir", "--config.data.name=text", "--config.model.name=transformer"),
    several("data_dir", "--config.data.name=jsonl", "--config.model.name=text_classifier"),
    *(
        several("/absent|/dev/null", f"--config.data.name={name}", f"--config.data.data_dir={place}")
        for name in ("text", "jsonl")
        for place in ("/absent", "/dev/null")
    ),
    several("needs classes", "--config.data.name=teacher_student"),
)
BUTTERFLY = ("butterfly",)
KIND = "--config.perturbation.kind"
INTERVENTIONS = (
    one("perturbation.at_steps", "-1,", "2000,", "5,99999", named="at_steps holds -?[0-9]+: choose", configs=BUTTERFLY),
    one("perturbation.at_steps", "()", "abc,", "1.5,", HUGE, named="at_steps", configs=BUTTERFLY),
    one("perturbation.at_steps", "5,5", named="at_steps .* repeat", configs=BUTTERFLY),
    one("perturbation.duration", BELOW_1, HUGE, NO_INT, configs=BUTTERFLY),
    *(
        several(f"'{kind}' has no epsilon: .* instead of 6", f"{KIND}={kind}", configs=BUTTERFLY)
        for kind in ("label", "example", "batch", "permutation")
    ),
    *(
        several(f"'{kind}' is the same for all 4 seeds", f"{KIND}={kind}", configs=BUTTERFLY)
        for kind in ("gradient", "learning_rate", "b1")
    ),
    several("'momentum' needs momentum, and 'sgd'", f"{KIND}=momentum", configs=BUTTERFLY),
    several("whole numbers from 1", f"{KIND}=ulps", configs=BUTTERFLY),
    several("from 0 to 1", f"{KIND}=label_noise", "--config.perturbation.epsilons=0.5,1.5", configs=BUTTERFLY),
    one("measure.examples", "0,0", "(0,),", "(0,-1),", "(0,0,0),", "abc", configs=("sensitivity",)),
    one("measure.num_directions", BELOW_1, HUGE, configs=("sensitivity",)),
)
# Optimizers, and hyperparameters that they do not have.
LACKING = {"sgd": ("b1", "decay"), "adam": ("momentum", "weight_decay"), "adamw": ("decay",), "rmsprop": ("b2",)}
CONFLICTS = (
    *(
        several(f"'{name}' has no '{key}'", f"--config.optimizer.name={name}", f"--config.optimizer.{key}=0.5")
        for name, keys in LACKING.items()
        for key in keys
        # The Lyapunov configs set a momentum, which is then the first error.
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
WRONG = st.one_of(*TYPES, *RANGES, *NAMES, *FITS, *NETWORKS, *RATES, *DATA, *INTERVENTIONS, *CONFLICTS, *WORKDIRS)

# Settings that can take these values without fixing the error or being reported first.
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
    """Draws flags with one error among valid ones, and a pattern that the message must match."""
    wrong = draw(WRONG)
    touched = {flag.split("=")[0] for flag in wrong.flags}
    keys = draw(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True, max_size=3))
    right = [f"--config.{key}={draw(HARMLESS[key])}" for key in keys if f"--config.{key}" not in touched]
    return [
        config_flag(draw(st.sampled_from(wrong.configs))),
        *draw(st.permutations([*right, *wrong.flags])),
    ], wrong.named
