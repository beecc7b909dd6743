"""What a config must hold: the settings of its experiment's own config, of their types and in their ranges.

The library checks what it is given; here is what it would not see: types, items of tuples, and counts beyond 32 bits.
"""

import sys
from collections.abc import Iterator

from ml_collections import ConfigDict

import pathjax
from pathjax.core.errors import require
from pathjax.experiments.registry import complete_config
from pathjax.experiments.runner.interventions import INTERVENTIONS

PERTURBATIONS = {"sphere": pathjax.on_sphere, "gaussian": pathjax.gaussian}
OPTIONAL = (  # may be None
    *(f"data.{key}" for key in ("data_dir", "num_t", "image_size", "vocabulary_size", "sha256")),
    *("optimizer.", "chunk_length", "num_devices", "memory_gib"),
)
AXES = ("sweep.continuous.", "sweep.static.")  # of which there may be others
MAX_INT = 2**31 - 1  # steps and sizes are int32


def check_settings(config: ConfigDict) -> None:
    """Raise InputError for the first setting that is absent, or cannot be what it says."""
    _check_complete(config)
    kind, known = config.perturbation.kind, INTERVENTIONS if "at_steps" in config.perturbation else PERTURBATIONS
    require(kind in known, f"unknown perturbation.kind '{kind}': choose one of {', '.join(known)}")
    _check_items("model.widths", config.model.widths, int, MAX_INT, "whole numbers")
    _check_items("perturbation.at_steps", config.perturbation.get("at_steps", ()), int, MAX_INT, "whole numbers")
    _check_items("measure.anchors", config.measure.get("anchors", ()), int, MAX_INT, "whole numbers")
    _check_items(
        "perturbation.epsilons", config.perturbation.epsilons, (int, float), sys.float_info.max, "numbers (finite)"
    )
    _check_examples(config.measure.get("examples", ()))
    _check_items("init_seeds", config.get("init_seeds", ()), int, 2**32 - 1, "whole numbers")
    seeds = tuple(config.get("init_seeds", ()))
    require(
        len(set(seeds)) == len(seeds) and min(seeds, default=0) >= 0, f"init_seeds {seeds}: give each once, from 0 on"
    )
    require("init_seeds" not in config or len(seeds) > 0, "init_seeds is empty: give at least one seed")
    require(0 <= config.seed < 2**32, f"seed {config.seed} is out of range: choose 0 to 2**32 - 1")
    tile = config.member_tile
    require(
        tile in ("auto", "all") or (tile.isdecimal() and 1 <= int(tile) <= MAX_INT),
        f"member_tile '{tile}' is no width: choose a number from 1 on, auto or all",
    )
    gib = config.memory_gib
    require(gib is None or 0 < gib < MAX_INT, f"memory_gib {gib} is out of range: choose more than 0, or None for all")
    for name, value in _counts(config).items():
        require(value is None or 1 <= value <= MAX_INT, f"{name} {value} is out of range: choose 1 to {MAX_INT}")
    tangent, distance = config.measure.tangent_every, config.measure.distance_every
    require(tangent % distance == 0, f"measure.distance_every {distance} must divide measure.tangent_every {tangent}")


def _check_complete(config: ConfigDict) -> None:
    name = config.get("experiment")
    file, example = complete_config(name)
    there = dict(_typed(config))
    for key, (_, kind) in _typed(example):
        if key.startswith(AXES) and key not in there:
            continue
        require(key in there, f"the config has no {key}, which experiment '{name}' needs: begin with {file}")
        given = there[key][0]
        require(
            _fits(given, kind) or (given is None and key.startswith(OPTIONAL)),
            f"{key} is {given!r}: expected {kind.__name__}, as in {file}",
        )


def _typed(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, tuple]]:
    """Dotted key, and (value, type) of every setting."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _typed(value, f"{prefix}{key}.")
        else:
            yield prefix + key, (value, config.get_type(key))


def _fits(value, kind: type) -> bool:
    also = {float: (int, float), tuple: (tuple, list)}
    return isinstance(value, also.get(kind, kind)) and (kind is bool or not isinstance(value, bool))


def _counts(config: ConfigDict) -> dict:
    grouped = {f"{name}.{k}": v for name in ("measure", "model") for k, v in config[name].items() if _fits(v, int)}
    return grouped | {
        "num_steps": config.num_steps,
        "chunk_length": config.chunk_length,
        "num_devices": config.num_devices,
        "checkpoint_every": config.checkpoint_every,
        "perturbation.num_seeds": config.perturbation.num_seeds,
        "perturbation.duration": config.perturbation.get("duration"),
        "num_independent": config.get("num_independent"),
    }


def _check_examples(examples) -> None:
    for pair in examples:
        fits = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(type(i) is int and i >= 0 for i in pair)
        expected = "expected pairs of step and place in its batch, as in --config.measure.examples=(0,0),(100,0)"
        require(fits, f"measure.examples holds {pair!r}: {expected}")


def _check_items(name, values, types, most, expected):
    for value in values:
        fits = isinstance(value, types) and not isinstance(value, bool) and abs(value) <= most
        require(fits, f"{name} holds {value!r}: expected {expected}, as in --config.{name}=1,2")
