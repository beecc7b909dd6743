"""An intervention that returns something else is one line."""

import jax.numpy as jnp
import optax
import pytest

import pathjax
from helpers.small_runs import KEY, mse, run
from pathjax.interventions import intervened
from pathjax.interventions.base import Intervention


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: None, "on_state of 'mine' returned a NoneType"),
        (lambda state: state.nothing, "on_state of 'mine' failed .AttributeError"),
        (lambda state: state._replace(params=state.params.astype(jnp.bfloat16)), r"changed params from float32\[3\]"),
        (lambda state: state._replace(params=state.params[:2]), r"changed params from float32\[3\] to float32\[2\]"),
        (lambda state: state._replace(step=state.step + 1), "'mine' changes step"),
    ],
)
def test_an_intervention_that_returns_something_else_is_one_line(change, match):
    plain = pathjax.training_dynamics(mse, optax.sgd(0.1))
    dynamics = intervened(plain, {"mine": Intervention(lambda key, state, batch, epsilon: change(state), None)})
    grid = pathjax.InterventionGrid(at_steps=[1], epsilons=[0.1], num_seeds=1)
    ensemble = pathjax.intervened_ensemble(KEY, dynamics, jnp.ones(3), "mine", grid)
    with pytest.raises(pathjax.InputError, match=match) as error:
        run(dynamics, ensemble)
    assert "\n" not in str(error.value)
