"""Ensembles of fully connected networks beside PyTorch, each measuring distances and losses at every step."""

import importlib.util
from collections.abc import Iterator

import jax

import pathjax
from experiments.benchmarks.limits import Machine, least_seconds
from experiments.benchmarks.networks import members_of, momentum_mlp
from experiments.benchmarks.paired import WARM_UP, Suite, Timed, timed
from experiments.benchmarks.pytorch import in_process
from pathjax import observables as obs
from pathjax.layout import worthwhile_mesh

BATCH = 64
# Hidden widths -> number of members -> rounds, steps of pathjax in each, and of PyTorch, which takes longer.
SIZES = {
    (100,): {1: (15, 200, 100), 10: (11, 100, 20), 100: (9, 50, 5), 1000: (3, 20, 1)},
    (1024, 1024): {10: (5, 10, 2), 100: (3, 5, 1)},
}


def suites(machine: Machine) -> Iterator[Suite]:
    """For each network and number of members: pathjax, and PyTorch if it is installed."""
    for hidden, sizes in SIZES.items():
        for num_members, (rounds, steps, torch_steps) in sizes.items():
            yield _suite(machine, hidden, num_members, rounds, steps, torch_steps)


def _suite(machine, hidden, num_members, rounds, steps, torch_steps) -> Suite:
    widths = (784, *hidden, 10)
    programs = {"pathjax": _pathjax(hidden, num_members, steps, 2 * steps * (rounds + WARM_UP))}
    if importlib.util.find_spec("torch"):
        programs |= {
            "PyTorch, member by member": in_process("loop", num_members, widths, torch_steps),
            "PyTorch, torch.func.vmap": in_process("vmap", num_members, widths, torch_steps),
        }
    name = "-".join(map(str, widths))
    title = f"{num_members} member{'s' * (num_members > 1)} of MLP {name}, batch {BATCH}, SGD with momentum"
    limit = num_members * least_seconds(machine, widths, BATCH)
    return Suite(title, programs, rounds, num_members, limit)


def _pathjax(hidden, num_members, steps, num_steps) -> Timed:
    dynamics, params, hparams, examples = momentum_mlp(*hidden)
    ensemble = members_of(num_members, dynamics, params, hparams)
    schedule = pathjax.batch_schedule(jax.random.key(0), len(examples[1]), BATCH, num_steps=num_steps)
    measures = [obs.weight_distance(), obs.batch_loss()]
    mesh = worthwhile_mesh(num_members)
    chunks = pathjax.rollout_chunks(dynamics, ensemble, examples, schedule, measures, chunk_length=steps, mesh=mesh)
    next(chunks)  # the records of step 0
    return timed(lambda: next(chunks).loop, steps)
