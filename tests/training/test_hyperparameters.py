"""Hyperparameters are floats of at least 32 bits, and keep their values."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.small_runs import assert_rejected, ensemble_of, mse
from pathjax.interventions import of_hyperparameter


def test_hyperparameters_are_floats_of_at_least_32_bits():
    for weights in (jnp.ones(3, jnp.bfloat16), jnp.ones(3)):
        dynamics, ensemble = ensemble_of(
            lambda h: optax.sgd(h["lr"]), weights, loss=lambda w, x: mse(w.astype(jnp.float32), x), hparams={"lr": 1}
        )
        swept = pathjax.sweep(dynamics, ensemble, [{"lr": 0.03}, {"lr": 0.1}])
        np.testing.assert_array_equal(swept.state.hparams["lr"][:, 0], np.float32([0.03, 0.1]))
        changed = of_hyperparameter("lr").on_state(None, jax.tree.map(lambda a: a[0], ensemble.state), None, 0.5)
        assert float(changed.hparams["lr"]) == 1.5
    for wrong, match in (
        ("x", "must be one number, not 'x'"),
        (True, "must be one number, not True"),
        (2**24 + 1, "16777217 would become 16777216.0"),
        (1e39, "1e[+]39 would become inf"),
        (1e-60, "1e-60 would become 0.0"),
        (jnp.ones(2), r"an array of shape \(2,\)"),
        (None, "not None"),
        (10**400, "an integer of too many digits would become inf"),
        (np.array("x"), "and type <U1"),
    ):
        assert_rejected(match, lambda h: optax.sgd(h["lr"]), hparams={"lr": wrong})


def test_settings_of_a_sweep_that_cannot_be_are_one_line(x64):
    given = {"hparams": {"lr": 0.1}}
    dynamics, ensemble = ensemble_of(lambda h: optax.sgd(h["lr"]), jnp.ones(3, jnp.float32), **given)
    for wrong, match in (
        ([0.1, 0.2], "settings must be a list of dicts"),
        ({"lr": [0.1]}, "settings must be a list of dicts"),
        ([{"lr": jnp.float64(1e-60)}], "1e-60 would become 0.0"),
    ):
        with pytest.raises(pathjax.InputError, match=match):
            pathjax.sweep(dynamics, ensemble, wrong)
    with pytest.raises(pathjax.InputError, match="must have the same kinds of state"):
        pathjax.stack_ensembles([ensemble, pathjax.with_noise(ensemble)])
