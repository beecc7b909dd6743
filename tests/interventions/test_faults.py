"""Invalid interventions raise InputError with one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.intervened_networks import PLAN, grid
from pathjax.core import trees
from pathjax.core.types import Batch
from pathjax.interventions import (
    When,
    intervened,
    of_batch,
    of_example,
    of_hyperparameter,
    of_label_noise,
    of_optimizer_state,
    of_ulps,
    of_weights,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at_steps": []}, "at_steps is empty"),
        ({"epsilons": [0.1, 0.1]}, "repeat a value; give each once"),
        ({"num_seeds": 0}, "num_seeds must be 1 or more, not 0"),
        ({"at_steps": [-3, 1]}, "at_steps must be 0 or more, not -3"),
    ],
)
def test_invalid_grids_raise(problem, changes, message):
    with pytest.raises(pathjax.InputError, match=message):
        grid(problem[0], problem, "kick", **changes)


def test_invalid_steps_raise(problem):
    dynamics = intervened(problem[0], {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, problem, "kick")
    wrong = {
        "for 2 of 15 members": [-1, 3],
        "must not happen to the baseline": [2] * 15,
        "at step -2": [-1] * 14 + [-2],
    }
    for message, at in wrong.items():
        with pytest.raises(pathjax.InputError, match=message):
            pathjax.with_interventions(
                dynamics, members, {"kick": When(np.array(at), np.ones(len(at)), np.ones(len(at)))}
            )
    with pytest.raises(pathjax.InputError, match="unknown hyperparameter 'momentum'"):
        of_hyperparameter("momentum").on_state(None, trees.index(members.state, 0), None, 1.0)
    with pytest.raises(pathjax.InputError, match="set Batch.dataset"):
        of_example().on_batch(jax.random.key(0), Batch(jnp.zeros(3), None, jax.random.key(0)), None)


HALF = of_hyperparameter("learning_rate")


@pytest.mark.parametrize(
    ("one", "epsilons", "message"),
    [
        (of_weights(pathjax.on_sphere()), [3.0], "from -2 to 2"),
        (of_weights(pathjax.gaussian()), [float("nan")], "nan"),
        (of_ulps(), [0.5], "an integer from 1"),
        (of_batch(PLAN.indices), [20.0], "an integer from 0 to 7"),
        (of_label_noise(3), [1.5], "from 0 to 1"),
        (HALF, [float("inf")], "finite"),
    ],
)
def test_invalid_epsilons_raise(problem, one, epsilons, message):
    with pytest.raises(pathjax.InputError, match=message):
        grid(intervened(problem[0], {"kick": one}), problem, "kick", epsilons=epsilons)


def test_unknown_and_duplicate_names_raise(problem):
    dynamics = intervened(problem[0], {"kick": HALF})
    with pytest.raises(pathjax.InputError, match="no intervention 'kik'; choose one of: kick"):
        grid(dynamics, problem, "kik")
    with pytest.raises(pathjax.InputError, match="intervention 'kick' already exists"):
        intervened(dynamics, {"kick": HALF})
    with pytest.raises(pathjax.InputError, match="must be an Intervention"):
        intervened(problem[0], {"kick": pathjax.gaussian()})
    members = grid(dynamics, problem, "kick")
    for name in ("learning", "kick"):
        with pytest.raises(
            pathjax.InputError, match=f"no hyperparameter '{name}' to sweep; choose one of: learning_rate"
        ):
            pathjax.sweep(dynamics, members, [{name: 1.0}])


def test_parts_outside_changes_must_not_change(problem):
    undeclared = of_optimizer_state(pathjax.gaussian())._replace(changes=("params",))
    dynamics = intervened(problem[0], {"kick": undeclared})
    with pytest.raises(pathjax.InputError, match="'kick' changes opt_state"):
        pathjax.rollout(dynamics, grid(dynamics, problem, "kick"), problem[2], PLAN, [])
