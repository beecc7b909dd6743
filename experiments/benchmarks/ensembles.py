"""Ensembles of networks in pathjax and PyTorch, which measure distances and losses at every step."""

import importlib.util
from collections.abc import Iterator

import jax

import pathjax
from pathjax import observables as obs
from pathjax.core import trees
from pathjax.engine.layout import auto_mesh
from pathjax.experiments.benchmarks.limits import Rates, least_seconds
from pathjax.experiments.benchmarks.networks import Network, cnn, mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed, steps_here, timed
from pathjax.experiments.benchmarks.pytorch import in_process
from pathjax.experiments.benchmarks.rollouts import members_of

BATCH = 64


def suites() -> Iterator[Suite]:
    """Yields a suite for each network and number of members: pathjax, and PyTorch if it is installed."""
    on_cpu = jax.default_backend() == "cpu"
    for network, tile, sizes in _sizes(on_cpu):
        for num_members, (rounds, steps, torch_steps) in sizes.items():
            yield _suite(network, tile, num_members, rounds, steps_here(steps), steps_here(torch_steps))


def _sizes(on_cpu: bool):
    """Returns each network, its tile, and for each number of members the rounds and the steps per round on two CPU
    cores, of pathjax and of the slower PyTorch. A CNN's microbatch and tile fit a CPU's cache."""
    return [
        (mlp(100), "auto", {1: (15, 200, 100), 10: (11, 100, 20), 100: (9, 50, 5), 1000: (3, 20, 1)}),
        (mlp(1024, 1024), "auto", {10: (5, 20, 2), 100: (5, 20, 1)}),
        (cnn(16, 32, microbatch=4 if on_cpu else None), 1 if on_cpu else "auto", {10: (7, 3, 3)}),
    ]


def _suite(network: Network, tile, num_members, rounds, steps, torch_steps) -> Suite:
    members = f"{num_members} member{'s' * (num_members > 1)}"
    title = f"{members} of {network.name}, batch {BATCH}, SGD with momentum"

    def make() -> dict[str, Timed]:
        programs = {"pathjax": _pathjax(network, tile, num_members, steps, 2 * steps * (rounds + WARM_UP))}
        if importlib.util.find_spec("torch"):
            programs |= {
                "PyTorch, member by member": in_process("loop", num_members, network.name, torch_steps),
                "PyTorch, torch.func.vmap": in_process("vmap", num_members, network.name, torch_steps),
            }
        return programs

    def limit(rates: Rates) -> float:
        return num_members * least_seconds(rates, network, BATCH)

    return Suite(title, make, rounds, num_members, limit)


def _pathjax(network: Network, tile, num_members, steps, num_steps) -> Timed:
    dynamics, params, hparams, examples = network.make()
    members = members_of(num_members, dynamics, params, hparams)
    chunks = pathjax.rollout_chunks(
        dynamics,
        members,
        examples,
        pathjax.batch_schedule(jax.random.key(0), len(examples[1]), BATCH, num_steps=num_steps),
        [obs.weight_distance(), obs.batch_loss()],
        options=pathjax.RolloutOptions(
            chunk_length=steps,
            member_tile=tile,
            mesh=auto_mesh(num_members, trees.num_bytes(members.state) // num_members),
        ),
    )
    next(chunks)  # the records of step 0
    return timed(lambda: next(chunks).loop, steps)
