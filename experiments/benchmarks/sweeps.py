"""Compares a sweep of hyperparameters in one program with one run per setting, including compilation."""

import itertools
import os
import subprocess
import sys
import time

import jax
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.engine.layout import member_mesh
from pathjax.experiments.benchmarks.networks import momentum_mlp
from pathjax.experiments.benchmarks.rollouts import members_of
from pathjax.experiments.runner import devices

RATES, MOMENTA = np.geomspace(0.003, 0.3, 8), (0.0, 0.5, 0.9, 0.99)
MEMBERS, BATCH, STEPS = 4, 64, 200
_MEASURES = [obs.weight_distance(), obs.batch_loss()]


def measure_sweep() -> dict[str, dict]:
    """Measures the seconds for 32 settings, each way once: the runs are so long that noise matters little."""
    return {
        "one program": {"seconds": _process("together")},
        "32 calls in one process, which compile once": {"seconds": _process("in_turn")},
        "32 runs, each a process": {"seconds": sum(_process(str(i)) for i in range(len(_settings())))},
    }


def format_sweep(rows: dict[str, dict]) -> str:
    """Formats the rows as text."""
    lines = [
        f"{len(_settings())} settings of learning rate and momentum: {MEMBERS} members of MLP 784-100-10, "
        f"{STEPS} steps, batch 64; fresh processes without a compilation cache, each way once"
    ]
    first = next(iter(rows.values()))["seconds"]
    for name, row in rows.items():
        lines.append(f"{name:60}{row['seconds']:8.1f} s  {row['seconds'] / first:6.2f} times the first")
    return "\n".join(lines)


def _settings() -> list[dict]:
    return [{"learning_rate": float(r), "momentum": m} for r, m in itertools.product(RATES, MOMENTA)]


def _process(what: str) -> float:
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pathjax.experiments.benchmarks.sweeps", what], check=True, env=environment)
    return time.perf_counter() - start


def _main(what: str) -> None:
    devices.prepare(None)
    jax.config.update("jax_default_matmul_precision", "highest")
    settings, network = _settings(), momentum_mlp(100)
    if what == "together":
        _roll(network, settings, member_mesh())
    else:
        for setting in settings if what == "in_turn" else [settings[int(what)]]:
            _roll(network, [setting], None)


def _roll(network: tuple, settings: list[dict], mesh) -> None:
    dynamics, params, _, examples = network
    ensemble = members_of(MEMBERS, dynamics, params, settings[0])
    if len(settings) > 1:
        ensemble = pathjax.sweep(dynamics, ensemble, settings)
    schedule = pathjax.batch_schedule(jax.random.key(0), len(examples[1]), BATCH, num_steps=STEPS)
    pathjax.rollout(dynamics, ensemble, examples, schedule, _MEASURES, options=pathjax.RolloutOptions(mesh=mesh))


if __name__ == "__main__":
    _main(sys.argv[1])
