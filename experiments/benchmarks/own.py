"""The cost of what members have of their own: schedules, outputs example by example, comparisons with the baseline."""

import jax
import jax.numpy as jnp
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.experiments.benchmarks.networks import mlp_predict, momentum_mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed, steps_here
from pathjax.experiments.benchmarks.rollouts import members_of, timed_chunks

MEMBERS, BATCH, STEPS, ROUNDS = 100, 64, 100, 7
EXAMPLES = 1000  # whose outputs are recorded


def suite() -> Suite:
    """Returns the suite: 100 members of MLP 784-100-10, batch 64."""
    title = f"What members' own schedules and outputs cost: {MEMBERS} members of MLP 784-100-10, batch {BATCH}"
    return Suite(title, _programs, ROUNDS, MEMBERS)


def _programs() -> dict[str, Timed]:
    key, steps = jax.random.key(0), steps_here(STEPS)
    dynamics, params, hparams, examples = momentum_mlp(100)
    ensemble, num_steps = members_of(MEMBERS, dynamics, params, hparams), 2 * steps * (ROUNDS + WARM_UP)
    each = [
        pathjax.batch_schedule(jax.random.fold_in(key, i), len(examples[1]), BATCH, num_steps=num_steps)
        for i in range(MEMBERS)
    ]
    probe = jax.tree.map(lambda a: a[:EXAMPLES], examples)
    predict, sets = mlp_predict(100), {"probe": probe}
    outputs, losses = obs.outputs(predict, sets, every=steps), obs.classification(predict, sets, every=steps)

    def program(observables=(), num_schedules: int = 1):
        schedule, members = each[0], ensemble
        if num_schedules > 1:
            schedule = pathjax.stack_schedules(each[:num_schedules])
            members = pathjax.with_schedules(ensemble, np.arange(MEMBERS) % num_schedules)
        return timed_chunks(dynamics, members, examples, schedule, observables, steps)

    return {
        "one schedule, nothing recorded": program(),
        f"mean losses of {EXAMPLES} examples every {STEPS} steps": program([losses]),
        "their outputs, losses and correctness, one by one": program([outputs]),
        "the update compared with the baseline's at every step": program([_compared(steps)]),
        "8 schedules": program(num_schedules=8),
        "a schedule for each member": program(num_schedules=MEMBERS),
    }


def _compared(every: int) -> pathjax.Observable:
    """Adds up how much each member's bias moves more than the baseline's: the cheapest update that sees both."""

    def moved(transition):
        last = jax.tree.leaves(transition.after.params)[0] - jax.tree.leaves(transition.before.params)[0]
        return jnp.sum(jnp.abs(last))

    def update(total, transition):
        return total + moved(transition) - moved(transition.baseline)

    variables = (pathjax.Variable("moved", (), "weight", "how much more than the baseline a member has moved"),)
    read = lambda total, snapshot: (total, {"moved": total})  # noqa: E731
    start = lambda snapshot: jnp.zeros(())  # noqa: E731
    return pathjax.Observable(start, read, update, every, "member", variables, needs=("baseline",))
