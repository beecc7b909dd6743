"""The cost of reading curvature along a run."""

import jax
import jax.numpy as jnp
import optax

import pathjax
from pathjax import observables as obs
from pathjax.experiments.benchmarks.networks import mlp_predict, momentum_mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed
from pathjax.experiments.benchmarks.rollouts import members_of, timed_chunks

MEMBERS, BATCH, EVERY, ROUNDS = 10, 64, 1000, 9


def suite() -> Suite:
    """Returns the suite: 10 members of MLP 784-100-10, batch 64, a reading of each every 1,000 steps."""
    title = f"What curvature costs: {MEMBERS} members of MLP 784-100-10, batch {BATCH}, every {EVERY:,} steps"
    return Suite(title, _programs, ROUNDS, MEMBERS)


def _programs() -> dict[str, Timed]:
    key = jax.random.key(0)
    dynamics, params, hparams, examples = momentum_mlp(100)
    predict = mlp_predict(100)
    ensemble = members_of(MEMBERS, dynamics, params, hparams)
    schedule = pathjax.batch_schedule(key, len(examples[1]), BATCH, num_steps=2 * EVERY * (ROUNDS + WARM_UP) + EVERY)

    def loss_fn(params, batch):
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(predict(params, batch[0]), batch[1]))

    def program(num: int, scope: str = "member", what=None) -> Timed:
        sets = {"batch": obs.NextBatch(examples, schedule) if what is None else what}
        search = obs.Search(num_eigenvalues=num)
        readings = obs.curvature(key, loss_fn, sets, every=EVERY, search=search, scope=scope)  # type: ignore[arg-type]
        return timed_chunks(dynamics, ensemble, examples, schedule, [readings], EVERY)

    return {
        "nothing recorded": timed_chunks(dynamics, ensemble, examples, schedule, [], EVERY),
        "the sharpness of each member on a batch": program(1),
        "of the baseline alone": program(1, "baseline"),
        "5 eigenvalues of each member": program(5),
        "the sharpness of each member on 1,000 examples": program(1, what=jax.tree.map(lambda a: a[:1000], examples)),
    }
