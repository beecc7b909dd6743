"""Spectra beyond the reference table (test_reference.py): unusual states and maps, and compilation."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import network, spectrum
from pathjax.lyapunov import scan


def contraction(x):
    return jnp.array([0.5, 0.25, 0.1]) * x


def test_states_may_contain_counters_flags_and_keys():
    def step(state):
        key, draw = jax.random.split(state["key"])
        factor = jnp.where(state["flag"], 1.5, 0.75) * jnp.exp(0.1 * jax.random.normal(draw))
        return {"x": factor * state["x"] % 1, "key": key, "count": state["count"] + 1, "flag": state["count"] % 2 == 0}

    state = {"x": jnp.ones(2), "key": jax.random.key(1), "count": 0, "flag": True}
    result = spectrum(step, state, k=2, length=4000)
    expected = (math.log(1.5) + math.log(0.75)) / 2
    assert np.all(np.abs(result.exponents - expected) < 4 * result.stderr + 1e-5)
    assert result.carry.state["count"] == 4000 and result.carry.tangents["count"] is None


def test_a_shorter_last_block_is_weighted_by_its_length():
    result = spectrum(contraction, jnp.ones(3), k=3, length=23, renormalize_every=5, dt=0.5, tangents=jnp.eye(3))
    np.testing.assert_allclose(result.times, [2.5, 5, 7.5, 10, 11.5])
    np.testing.assert_allclose(result.exponents, 2 * np.log([0.5, 0.25, 0.1]), rtol=1e-6)
    assert result.log_growth.shape == (5, 3) and np.isnan(result.stderr).all()


def test_exponents_and_their_errors_are_sorted():
    xs = jnp.stack([jnp.zeros(400), jax.random.normal(jax.random.key(0), (400,))], axis=1)
    growing = spectrum(lambda x, noise: jnp.exp(jnp.array([-1.0, 1.0]) + noise) * x, jnp.ones(2), xs, k=2,
                       tangents=jnp.eye(2), burn_in=100)  # fmt: skip
    assert growing.exponents[0] > growing.exponents[1]
    assert growing.stderr[0] > 10 * growing.stderr[1]


def test_one_tangent_without_qr_equals_the_first_of_a_spectrum(x64):
    def settling(state):  # converges to a two-cycle; growing roundoff would make two programs differ
        return {"x": 1 - 0.7 * state["x"] ** 2 + state["y"], "y": 0.3 * state["x"]}

    start = {"x": jnp.array(0.1), "y": jnp.array(0.1)}
    tangent = {"x": jnp.array(1.0), "y": jnp.array(2.0)}
    alone = pathjax.lyapunov_exponent(
        jax.random.key(0),
        settling,
        start,
        length=500,
        options=pathjax.SpectrumOptions(renormalize_every=3, tangents=jax.tree.map(lambda a: a[None], tangent)),
    )
    both = spectrum(settling, start, k=1, length=500, tangents=jax.tree.map(lambda a: a[None], tangent))
    np.testing.assert_allclose(alone.exponents, both.exponents, rtol=1e-12)


def test_select_gives_the_exponents_of_a_driven_part(x64):
    def step(state):
        x = 4 * state["x"] * (1 - state["x"])
        return {"x": x, "y": 0.5 * jnp.sin(x) * state["y"] + x}

    start = {"x": jnp.array(0.3), "y": jnp.array(0.1)}
    driven = spectrum(step, start, k=1, length=5000, select=lambda name: name == "y")
    both = spectrum(step, start, k=2, length=5000, burn_in=50)
    np.testing.assert_allclose(driven.exponents[0], both.exponents[1], atol=2e-3)
    assert driven.carry.tangents["x"] is None


def test_hyperparameters_carry_no_tangents_by_default(key):
    _, params, examples = network(key)
    dynamics = pathjax.training_dynamics(lambda w, e: jnp.sum(w["w0"] ** 2), lambda h: optax.sgd(h["learning_rate"]))
    state = dynamics.init(params, {"learning_rate": 0.1})
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, pathjax.batch_schedule(key, 32, 8, num_steps=5))
    assert spectrum(step_fn, state, xs, k=1).carry.tangents.hparams == {"learning_rate": None}
    both = spectrum(step_fn, state, xs, k=1, select=lambda name: True)
    assert both.carry.tangents.hparams["learning_rate"].shape == (1,)


def test_growth_beyond_the_range_of_squared_floats_is_measured():
    for factor in (1e15, 1e-15):
        result = spectrum(lambda x, f=factor: f * x, jnp.zeros(4), k=2, length=40, renormalize_every=2)
        np.testing.assert_allclose(result.exponents, math.log(factor), rtol=1e-5)
        pathjax.check_exponents(result)


@pytest.mark.parametrize("method", ["cholesky", "householder"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_states_are_supported(dtype, method):
    factors = jnp.array([0.75, 0.5, 0.25], dtype)
    start = {"half": jnp.ones(3, dtype), "empty": jnp.zeros((0, 2)), "single": jnp.ones(2)}

    def step(s):
        return {"half": factors * s["half"], "empty": s["empty"], "single": 0.125 * s["single"]}

    result = spectrum(step, start, k=5, length=60, burn_in=40, method=method)
    np.testing.assert_allclose(result.exponents, np.log([0.75, 0.5, 0.25, 0.125, 0.125]), atol=0.02)
    assert result.carry.tangents["half"].dtype == dtype


def test_a_direction_that_a_step_annihilates_has_exponent_minus_infinity():
    result = spectrum(lambda x: x * jnp.array([0.5, 0.0]), jnp.ones(2), k=2, length=50, burn_in=5)
    assert result.exponents[1] == -np.inf
    np.testing.assert_allclose(result.exponents[0], math.log(0.5), rtol=1e-5)


def test_a_spectrum_can_be_jitted_with_traced_parameters():
    rates = jax.jit(
        jax.vmap(lambda r: spectrum(lambda x: r * x * (1 - x), 0.3, k=1, length=300, burn_in=100).exponents)
    )
    at_fixed_point = rates(jnp.array([1.5, 2.5]))[:, 0]
    np.testing.assert_allclose(at_fixed_point, np.log(np.abs(2 - np.array([1.5, 2.5]))), rtol=1e-4)


def test_data_are_arguments_and_equal_problems_compile_once(key):
    dynamics, params, examples = network(key)
    schedule = pathjax.batch_schedule(key, 32, 8, num_steps=4)
    before = scan.run._cache_size()
    for _ in range(3):
        step_fn, xs = pathjax.scheduled_step(dynamics, examples, schedule)
        spectrum(step_fn, dynamics.init(params, {}), xs, k=2)
    assert scan.run._cache_size() == before + 1


def test_a_changed_function_is_traced_again():
    rates = {"r": 2.5}

    def step(x):
        return rates["r"] * x * (1 - x)

    before = spectrum(step, 0.3, k=1, length=300, burn_in=100).exponents[0]
    rates["r"] = 1.5
    after = spectrum(step, 0.3, k=1, length=300, burn_in=100).exponents[0]
    np.testing.assert_allclose([before, after], math.log(0.5), rtol=1e-4)
    rates["r"] = 2.9
    np.testing.assert_allclose(spectrum(step, 0.3, k=1, length=300, burn_in=100).exponents, math.log(0.9), rtol=1e-3)
    rates["r"] = jnp.array(1.2)
    np.testing.assert_allclose(spectrum(step, 0.3, k=1, length=300, burn_in=100).exponents, math.log(0.8), rtol=1e-3)


def test_tangents_are_matched_by_name_and_may_be_integers():
    state = {"a": jnp.ones(2), "count": 0}
    step = lambda s: {"a": jnp.array([0.5, 0.25]) * s["a"], "count": s["count"] + 1}  # noqa: E731
    for tangents in (
        {"a": jnp.eye(2, dtype=int)},
        {"a": jnp.eye(2), "count": None},
        {"a": jnp.eye(2), "count": jnp.ones(2)},
    ):
        result = spectrum(step, state, k=2, length=5, tangents=tangents)
        np.testing.assert_allclose(result.exponents, np.log([0.5, 0.25]), rtol=1e-6)
