"""The cost of what members have of their own: schedules, outputs example by example, comparisons with the baseline."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.experiments.benchmarks.networks import mlp_predict, momentum_mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed, steps_here
from pathjax.experiments.benchmarks.rollouts import members_of, timed_chunks

MEMBERS, STEPS, ROUNDS = 100, 100, 9
EXAMPLES = 1000  # whose outputs are recorded


def suites() -> Iterator[Suite]:
    """Yields the suites: 100 members of MLP 784-100-10."""
    network = f"{MEMBERS} members of MLP 784-100-10"
    yield Suite(f"What members' own schedules cost: {network}, batch 64", _schedules, ROUNDS, MEMBERS)
    for batch in (64, 128):
        title = f"What members' outputs cost: {network}, batch {batch}"
        yield Suite(title, functools.partial(_outputs, batch), ROUNDS, MEMBERS)


class _Programs:
    """Builds the programs of one suite, on the same members and examples."""

    def __init__(self, batch: int):
        self.steps = steps_here(STEPS)
        self.dynamics, params, hparams, self.examples = momentum_mlp(100)
        self.ensemble = members_of(MEMBERS, self.dynamics, params, hparams)
        num_steps = 2 * self.steps * (ROUNDS + WARM_UP)
        keys = jax.random.split(jax.random.key(0), MEMBERS)
        num = len(self.examples[1])
        self.schedule = lambda i: pathjax.batch_schedule(keys[i], num, batch, num_steps=num_steps)

    def __call__(self, observables=(), num_schedules: int = 1) -> Timed:
        schedule, members = self.schedule(0), self.ensemble
        if num_schedules > 1:
            schedule = pathjax.stack_schedules([self.schedule(i) for i in range(num_schedules)])
            members = pathjax.with_schedules(members, np.arange(MEMBERS) % num_schedules)
        return timed_chunks(self.dynamics, members, self.examples, schedule, observables, self.steps)


def _schedules() -> dict[str, Timed]:
    program = _Programs(64)
    return {
        "one schedule, nothing recorded": program(),
        "the update compared with the baseline's at every step": program([_compared(program.steps)]),
        "8 schedules": program(num_schedules=8),
        "a schedule for each member": program(num_schedules=MEMBERS),
    }


def _outputs(batch: int) -> dict[str, Timed]:
    program = _Programs(batch)
    sets = {"probe": jax.tree.map(lambda a: a[:EXAMPLES], program.examples)}
    arguments: dict[str, Any] = {"predict": mlp_predict(100), "sets": sets, "every": program.steps}
    return {
        "nothing recorded": program(),
        f"mean losses of {EXAMPLES} examples every {STEPS} steps": program([obs.classification(**arguments)]),
        "their outputs, losses and correctness, one by one": program([obs.outputs(**arguments)]),
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
