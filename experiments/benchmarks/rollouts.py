"""The timed programs: rollouts of ensembles of the timed networks."""

import jax

import pathjax
from pathjax.engine.layout import auto_mesh
from pathjax.experiments.benchmarks.paired import Timed, timed


def members_of(num: int, dynamics, params, hparams) -> pathjax.Ensemble:
    """Returns an ensemble of `num` members, including the baseline and the controls."""
    ensemble = pathjax.perturbed_ensemble(
        jax.random.key(0),
        dynamics,
        params,
        pathjax.on_sphere(),
        epsilons=[1e-2],
        num_seeds=max(1, num - 3),
        hparams=hparams,
    )
    return jax.tree.map(lambda a: a[:num], ensemble)


def timed_chunks(dynamics, ensemble, examples, schedule, observables, steps: int) -> Timed:
    """Returns a rollout as a program to time, in chunks of `steps` steps, on all cores."""
    options = pathjax.RolloutOptions(chunk_length=steps, mesh=auto_mesh(len(ensemble.members.role)))
    chunks = pathjax.rollout_chunks(dynamics, ensemble, examples, schedule, observables, options)
    next(chunks)  # the records of step 0
    return timed(lambda: next(chunks).loop, steps)
