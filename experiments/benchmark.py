"""What measuring costs: the same steps with and without observables, side by side in one run.

100 members of MLP 784-100-10, batch 64, SGD with momentum. Rounds alternate between the programs, so that whatever else
the machine does falls on all alike; printed are medians over rounds of paired ratios, with their quartiles.
"""

import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from experiments.provenance import environment
from pathjax import observables as obs
from pathjax.models import MLP
from pathjax.results import write_json

MEMBERS, BATCH, STEPS, ROUNDS, WARM_UP = 100, 64, 50, 15, 2
OUTPUT = pathlib.Path("results/benchmark/benchmark.json")


def main() -> None:
    """Print the table and write it to results/benchmark/benchmark.json."""
    jax.config.update("jax_default_matmul_precision", "highest")
    seconds = _measure(_programs())
    plain = seconds["plain step"]
    rows = {name: _row(times, plain) for name, times in seconds.items()}
    device = jax.devices()[0].device_kind
    print(f"{MEMBERS} members of MLP 784-100-10, batch {BATCH}, SGD with momentum; {device}; {ROUNDS} paired rounds")
    print(f"{'':44}{'ms/step':>9}{'member-steps/s':>16}{'ratio to plain [quartiles]':>30}")
    for name, row in rows.items():
        low, high = row["ratio_quartiles"]
        ratio = f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}]"
        print(f"{name:44}{row['ms_per_step']:9.2f}{row['member_steps_per_s']:16,.0f}{ratio:>30}")
    write_json(OUTPUT, {"members": MEMBERS, "batch": BATCH, "rounds": ROUNDS, "rows": rows} | environment())


def _programs():
    key = jax.random.key(0)
    model = MLP((100,), 10, "relu")
    inputs = jax.random.uniform(key, (4096, 784))
    labels = jax.random.randint(key, (4096,), 0, 10)

    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["learning_rate"], h["momentum"]))
    params = model.init(key, inputs[:1])["params"]
    hparams = {"learning_rate": jnp.float32(0.01), "momentum": jnp.float32(0.9)}
    ensemble = pathjax.make_ensemble(
        dynamics, params, pathjax.on_sphere(), key, epsilons=[1e-2], num_seeds=MEMBERS - 3, hparams=hparams
    )
    schedule = pathjax.batch_schedule(key, len(inputs), BATCH, num_steps=STEPS * (ROUNDS + WARM_UP))
    measured = {
        "plain step": [],
        "distances, norms and losses at every step": [obs.weight_distance(1), obs.batch_loss(1)],
        "the same every 10 steps": [obs.weight_distance(10), obs.batch_loss(10)],
        "8 tangents, QR every 10 steps": [obs.lyapunov(dynamics, key, 8, every=10)],
    }
    return {
        name: pathjax.rollout_chunks(dynamics, ensemble, (inputs, labels), schedule, some, chunk_length=STEPS)
        for name, some in measured.items()
    }


def _measure(programs) -> dict[str, np.ndarray]:
    """Seconds of each timed round, by program."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(1 + WARM_UP + ROUNDS):  # the first gives the records of step 0
        for name, chunks in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(next(chunks).loop)
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(times[1 + WARM_UP :]) for name, times in seconds.items()}


def _row(times, plain) -> dict:
    ratios = times / plain
    step = float(np.median(times)) / STEPS
    return {
        "ms_per_step": 1e3 * step,
        "member_steps_per_s": MEMBERS / step,
        "ratio": float(np.median(ratios)),
        "ratio_quartiles": [float(q) for q in np.quantile(ratios, [0.25, 0.75])],
    }


if __name__ == "__main__":
    main()
