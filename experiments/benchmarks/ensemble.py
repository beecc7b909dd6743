"""What measuring an ensemble costs: the same steps with and without observables."""

import jax

import pathjax
from experiments.benchmarks.networks import momentum_mlp
from experiments.benchmarks.paired import WARM_UP, Suite
from pathjax import observables as obs

MEMBERS, BATCH, STEPS, ROUNDS = 100, 64, 20, 15


def suite() -> Suite:
    """100 members of MLP 784-100-10, batch 64."""
    key = jax.random.key(0)
    dynamics, params, hparams, examples = momentum_mlp(100)
    ensemble = pathjax.make_ensemble(
        dynamics, params, pathjax.on_sphere(), key, epsilons=[1e-2], num_seeds=MEMBERS - 3, hparams=hparams
    )
    schedule = pathjax.batch_schedule(key, len(examples[1]), BATCH, num_steps=2 * STEPS * (ROUNDS + WARM_UP))
    measured = {
        "plain step": [],
        "distances, norms and losses at every step": [obs.weight_distance(1), obs.batch_loss(1)],
        "the same every 10 steps": [obs.weight_distance(10), obs.batch_loss(10)],
        "8 tangents, QR every 10 steps": [obs.lyapunov(dynamics, key, 8, every=10)],
    }

    def program(observables):
        chunks = pathjax.rollout_chunks(dynamics, ensemble, examples, schedule, observables, chunk_length=STEPS)
        return lambda: next(chunks).loop  # the first call gives the records of step 0

    title = f"{MEMBERS} members of MLP 784-100-10, batch {BATCH}, SGD with momentum (steps/s: of members)"
    return Suite(title, {name: program(some) for name, some in measured.items()}, STEPS, ROUNDS, MEMBERS)
