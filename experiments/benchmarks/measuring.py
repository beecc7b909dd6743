"""The cost of measuring an ensemble: the same steps with and without observables."""

import jax
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.experiments.benchmarks.networks import mlp_predict, momentum_mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed, steps_here
from pathjax.experiments.benchmarks.rollouts import members_of, timed_chunks
from pathjax.interventions import NEVER, When, intervened, of_weights
from pathjax.observables.classification_measures import MEASURES

MEMBERS, BATCH, STEPS, ROUNDS = 100, 64, 40, 15
PROBE = 64  # examples


def suite() -> Suite:
    """Returns the suite: 100 members of MLP 784-100-10, batch 64."""
    title = f"What measuring costs: {MEMBERS} members of MLP 784-100-10, batch {BATCH}, SGD with momentum"
    return Suite(title, _programs, ROUNDS, MEMBERS)


def _programs() -> dict[str, Timed]:
    key, steps = jax.random.key(0), steps_here(STEPS)
    dynamics, params, hparams, examples = momentum_mlp(100)
    ensemble = members_of(MEMBERS, dynamics, params, hparams)
    schedule = pathjax.batch_schedule(key, len(examples[1]), BATCH, num_steps=2 * steps * (ROUNDS + WARM_UP))
    measured = {
        "plain step": [],
        "distances and losses at every step": [obs.weight_distance(every=1), obs.batch_loss(every=1)],
        "norms too": [obs.weight_distance(every=1), obs.weight_norm(every=1), obs.batch_loss(every=1)],
        "the same every 10 steps": [obs.weight_distance(every=10), obs.weight_norm(every=10), obs.batch_loss(every=10)],
        "all cheap families every 10 steps": _cheap(examples, 10),
        "and inner products of all pairs": [*_cheap(examples, 10), *_pairs(examples, 10)],
        "8 tangents, QR every 10 steps": [obs.lyapunov(key, dynamics, 8, every=10)],
    }

    def program(observables, dynamics=dynamics, ensemble=ensemble):
        return timed_chunks(dynamics, ensemble, examples, schedule, observables, steps)

    with_interventions = program([], *_with_interventions(dynamics, ensemble))
    programs = {name: program(some) for name, some in measured.items()}
    return programs | {"members that may be intervened on": with_interventions}


def _cheap(examples, every: int) -> list:
    """Returns observables of distances in weight space by three norms, angle, norm, losses, memory since step 0, and
    all measures in function space on a probe set."""
    predict, probe = mlp_predict(100), jax.tree.map(lambda a: a[:PROBE], examples)
    return [
        obs.weight_distance(every=every),
        obs.weight_norm(every=every),
        obs.weight_angle(every=every),
        *(obs.norm_distance(p, every=every) for p in (1, float("inf"))),
        obs.weight_autocorrelation((0,), every=every),
        obs.batch_loss(every=every),
        obs.classification(predict, {"probe": probe}, measures=tuple(MEASURES), every=every),
        obs.function_autocorrelation(predict, probe[0], (0,), every=every),
    ]


def _pairs(examples, every: int) -> list:
    predict, probe = mlp_predict(100), examples[0][:PROBE]
    return [obs.weight_gram(MEMBERS, every=every), obs.function_gram(predict, probe, MEMBERS, every=every)]


def _with_interventions(dynamics, ensemble):
    """Returns dynamics with an intervention, and members that are never intervened on."""
    never = When(np.full(MEMBERS, NEVER), np.zeros(MEMBERS), np.arange(MEMBERS))
    dynamics = intervened(dynamics, {"kick": of_weights(pathjax.gaussian())})
    return dynamics, pathjax.with_interventions(dynamics, ensemble, {"kick": never})
