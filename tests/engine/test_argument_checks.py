"""Wrong arguments of an ensemble and a rollout are one line, before anything is traced."""

import jax.numpy as jnp
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, quadratic, schedule
from pathjax import observables as obs

WRONG_ROLLOUTS = {
    "observable": ({"observables": obs.weight_distance()}, "observables must be a list, not of type Observable"),
    "factory": ({"observables": [obs.weight_distance]}, "each of observables must be made by .*, not of type function"),
    "every": ({"observables": [obs.weight_distance()._replace(every=1.5)]}, "every must be an integer, not 1.5"),
    "dynamics": (
        {"dynamics": optax.sgd(0.1)},
        r"dynamics must be made by pathjax.training_dynamics\(...\), not of type",
    ),
    "schedule": ({"schedule": jnp.zeros((4, 2), int)}, "schedule must be made by pathjax.batch_schedule"),
    "options": ({"options": {"chunk_length": 2}}, "options must be made by pathjax.RolloutOptions.*, not of type dict"),
    "text": ({"options": pathjax.RolloutOptions(chunk_length="a")}, "chunk_length must be an integer, not 'a'"),
    "zero": (
        {"options": pathjax.RolloutOptions(chunk_length=0)},
        "chunk_length must be 1 or more, not 0",
    ),
    "bytes": ({"options": pathjax.RolloutOptions(memory_bytes=-1)}, "memory_bytes must be 1 or more, not -1"),
    "mesh": ({"options": pathjax.RolloutOptions(mesh=3)}, "mesh must be a jax.sharding.Mesh"),
    "checks": ({"options": pathjax.RolloutOptions(checks="yes")}, "checks must be True or False, not 'yes'"),
}


@pytest.mark.parametrize("name", sorted(WRONG_ROLLOUTS))
def test_a_wrong_argument_of_a_rollout_is_one_line(key, name):
    changes, message = WRONG_ROLLOUTS[name]
    dynamics = quadratic([1.0, 2.0])
    given = {"dynamics": dynamics, "ensemble": ensemble(dynamics, jnp.ones(2), key), "dataset": jnp.zeros(8)}
    given |= {"schedule": schedule(4), "observables": []}
    with pytest.raises(pathjax.InputError, match=message) as caught:
        pathjax.rollout(**(given | changes))
    assert "\n" not in str(caught.value)


WRONG_ENSEMBLES = {
    "scalar": ({"epsilons": 0.1}, "epsilons must be a list of numbers, as in .0.01, 0.1., not 0.1"),
    "text": ({"epsilons": ["a"]}, "epsilons must be a list of numbers"),
    "seeds": ({"num_seeds": 2.5}, "num_seeds must be an integer, not 2.5"),
    "uncalled": ({"perturbation": pathjax.on_sphere}, r"perturbation must be one such as on_sphere\(\), not of type"),
}


@pytest.mark.parametrize("name", sorted(WRONG_ENSEMBLES))
def test_a_wrong_argument_of_an_ensemble_is_one_line(key, name):
    changes, message = WRONG_ENSEMBLES[name]
    given = {"dynamics": quadratic([1.0, 2.0]), "params": jnp.ones(2), "perturbation": pathjax.on_sphere()}
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.perturbed_ensemble(key, **(given | {"epsilons": [0.1], "num_seeds": 1} | changes))


@pytest.mark.parametrize(
    ("loss_fn", "optimizer", "message"),
    [
        (None, optax.sgd(0.1), "loss_fn must be a function, not of type NoneType"),
        (lambda w, x: 0.0, 0.1, "optimizer must be an optax optimizer such as .*, or a function .*, not of type float"),
    ],
    ids=["loss", "optimizer"],
)
def test_dynamics_of_wrong_parts_are_refused_at_once(loss_fn, optimizer, message):
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.training_dynamics(loss_fn, optimizer)
