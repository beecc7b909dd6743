"""Random valid configs, as flags, for test_config_fuzz.py."""

import pathlib

import numpy as np
from hypothesis import strategies as st

from pathjax.models import ACTIVATIONS, BIAS_INITIALIZERS, INITIALIZERS, PARAMETRIZATIONS

ROOT = pathlib.Path(__file__).parents[2]


def config_flag(name: str) -> str:
    return f"--config={ROOT / 'configs' / name}.py"


HYPERPARAMETERS = {
    "sgd": {"momentum": st.floats(0, 0.9)},
    "adam": {"b1": st.floats(0, 0.9), "b2": st.floats(0.9, 0.999)},
    "adamw": {"b1": st.floats(0, 0.9), "b2": st.floats(0.9, 0.999), "weight_decay": st.floats(0, 0.1)},
    "rmsprop": {"decay": st.floats(0.5, 0.99)},
    "nesterov": {"momentum": st.floats(0, 0.9)},
    "lion": {"b1": st.floats(0, 0.9), "b2": st.floats(0.9, 0.999), "weight_decay": st.floats(0, 0.1)},
    "muon": {"beta": st.floats(0, 0.95), "weight_decay": st.floats(0, 0.1)},
}


@st.composite
def optimizers(draw) -> dict:
    name = draw(st.sampled_from(sorted(HYPERPARAMETERS)))
    # Small enough that no baseline diverges: the replica's distance is 0 only if it is finite.
    rate = draw(st.floats(1e-4, 0.1 if name in ("sgd", "nesterov") else 0.01))
    others = HYPERPARAMETERS[name]
    chosen = draw(st.lists(st.sampled_from(sorted(others)), unique=True))
    given_values = {f"optimizer.{key}": draw(others[key]) for key in chosen}
    return {"optimizer.name": name, "optimizer.learning_rate": rate} | given_values


@st.composite
def cadences(draw) -> dict:
    """Draws cadences that divide one another, and steps, chunks and checkpoints that fit them."""
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
    """Formats values as a tuple in a flag."""
    return f"({''.join(f'{value},' for value in values)})"


@st.composite
def perturbations(draw) -> dict:
    kind = draw(st.sampled_from(["sphere", "gaussian"]))
    # At least 1e-3: the grid of floats is too coarse for smaller ones in the smallest of these networks.
    sizes = draw(st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=3, unique=True))
    chosen = {"kind": kind, "per_leaf": draw(st.booleans()), "epsilons": listed(sizes)}
    chosen |= {"num_seeds": draw(st.integers(1, 3))}
    return {f"perturbation.{key}": value for key, value in chosen.items()}


@st.composite
def valid(draw) -> list[str]:
    """Draws flags of a run of at most a few hundred steps of a small network."""
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


def _of_network(draw, name: str, size: int) -> dict:
    """Draws the settings that a network uses, for images of size x size."""
    heads = draw(st.sampled_from([1, 2, 4]))
    widths = st.lists(st.integers(1, 6), min_size=0 if name == "mlp" else 1, max_size=2)
    own = {
        "cnn": {"strides": st.integers(1, 3), "flatten": st.booleans()},
        "resnet": {"blocks": st.integers(1, 2), "norm": st.sampled_from(["group", "layer"])},
        "vit": {"num_heads": st.just(heads), "patch_size": st.sampled_from([p for p in (1, 2, 4, 8) if size % p == 0])},
        "transformer": {"num_heads": st.just(heads), "hidden": st.booleans()},
    }
    if name in ("vit", "transformer"):
        widths = st.sampled_from([[2 * heads], [4 * heads] * 2])
    return {"widths": listed(draw(widths))} | {key: draw(strategy) for key, strategy in own.get(name, {}).items()}


@st.composite
def networks(draw) -> list[str]:
    """Draws flags of a short run of any network, parametrization and optimizer, on digits or sequences."""
    name, size = (
        draw(st.sampled_from(["mlp", "cnn", "resnet", "vit", "transformer"])),
        draw(st.sampled_from([4, 8, 12])),
    )
    rate = draw(st.floats(1e-5, 1e-3))  # wide networks learn at a multiple of it
    steps, batch_size = draw(st.integers(1, 5)), draw(st.integers(2, 50))
    model = {"name": name, "activation": draw(st.sampled_from(sorted(ACTIVATIONS)))} | _of_network(draw, name, size)
    model |= {
        "initializer": draw(st.sampled_from(sorted(INITIALIZERS))),
        "bias_initializer": draw(st.sampled_from(sorted(BIAS_INITIALIZERS))),
        "parametrization": draw(st.sampled_from(PARAMETRIZATIONS)),
        "family": draw(st.floats(0, 1)),
        "base_width": draw(st.integers(1, 64)),
    }
    data = {"batch_size": batch_size, "num_train": 10 * draw(st.integers(batch_size, 100))}
    data |= {"num_test": draw(st.integers(1, 100)), "seed": draw(st.integers(0, 2**32 - 1))}
    if name == "transformer":
        context = draw(st.integers(2, 12))
        data |= {"name": "induction", "context": context, "vocabulary_size": context + draw(st.integers(0, 5))}
    else:
        data |= {"image_size": size, "balanced": draw(st.booleans()), "standardize": draw(st.booleans())}
    schedule = {"schedule": draw(st.sampled_from(["constant", "cosine", "linear"]))}
    schedule |= {"warmup_steps": draw(st.integers(0, 10 * steps - 1))}
    chosen = {f"model.{key}": value for key, value in model.items()} | {f"data.{k}": v for k, v in data.items()}
    chosen |= draw(optimizers()) | {"optimizer.learning_rate": rate}
    chosen |= {f"optimizer.{key}": value for key, value in schedule.items()} | draw(perturbations())
    chosen |= {"num_steps": 10 * steps, "measure.tangent_every": 5, "measure.correlation_every": 5}
    chosen |= {"measure.evaluation_every": 10, "measure.anchors": "0,", "seed": draw(st.integers(0, 2**32 - 1))}
    chosen |= {"member_tile": draw(st.sampled_from(["auto", "all", "1", "3"]))}
    chosen |= {"precision": draw(st.sampled_from(["float32", "bfloat16", "float64"]))}
    return [config_flag("smoke"), *(f"--config.{key}={value}" for key, value in chosen.items())]


# Kinds of interventions, by their settings: any epsilon, one epsilon, or one seed.
SIZED = ("sphere", "gaussian", "one_weight", "curvature", "scales", "example_weight", "momentum")
KINDS = {
    **{kind: {} for kind in SIZED},
    **{kind: {"epsilons": "1,"} for kind in ("label", "example", "batch", "permutation")},
    **{kind: {"num_seeds": 1} for kind in ("gradient", "learning_rate", "momentum_rate")},
    "label_noise": {"epsilons": "0.1,1"},
    "ulps": {"epsilons": "1,1000"},
}


@st.composite
def intervened_on(draw) -> list[str]:
    """Draws flags of a run whose members are intervened on at their own steps."""
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
    """Draws flags of a run with derivatives."""
    steps = draw(st.integers(1, 10))
    examples = draw(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 7)), min_size=1, max_size=3, unique=True))
    flags = draw(optimizers()) | {"num_steps": 10 * steps, "measure.distance_every": 10, "measure.tangent_every": 10}
    flags |= {"measure.evaluation_every": 10, "measure.num_directions": draw(st.integers(1, 3))}
    flags |= {"measure.examples": listed(examples), "data.batch_size": draw(st.integers(8, 100))}
    flags |= {"model.activation": draw(st.sampled_from(sorted(ACTIVATIONS)))}
    flags |= {"model.widths": listed(draw(st.lists(st.integers(1, 12), max_size=2)))}
    unset = {} if "optimizer.momentum" in flags or flags["optimizer.name"] == "sgd" else {"optimizer.momentum": None}
    return [config_flag("sensitivity"), *(f"--config.{key}={value}" for key, value in (flags | unset).items())]
