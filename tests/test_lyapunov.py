"""What the reference table (test_reference.py) does not show: odd states, odd input, odd maps."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_maps import network

import pathjax
from pathjax.lyapunov import jackknife, join_results
from pathjax.theory import systems

spectrum = pathjax.lyapunov_spectrum


def contraction(x):
    return jnp.array([0.5, 0.25, 0.1]) * x


def test_counters_flags_and_keys_may_stand_among_the_floats():
    def step(state):
        key, draw = jax.random.split(state["key"])
        factor = jnp.where(state["flag"], 1.5, 0.75) * jnp.exp(0.1 * jax.random.normal(draw))
        return {"x": factor * state["x"] % 1, "key": key, "count": state["count"] + 1, "flag": state["count"] % 2 == 0}

    state = {"x": jnp.ones(2), "key": jax.random.key(1), "count": 0, "flag": True}
    result = spectrum(step, state, k=2, length=4000)
    expected = (math.log(1.5) + math.log(0.75)) / 2
    assert np.all(np.abs(result.exponents - expected) < 4 * result.stderr + 1e-5)
    assert result.carry.state["count"] == 4000 and result.carry.tangents["count"] is None


def test_a_shorter_last_block_is_counted_by_its_length():
    result = spectrum(contraction, jnp.ones(3), k=3, length=23, qr_every=5, dt=0.5, tangents=jnp.eye(3))
    np.testing.assert_allclose(result.times, [2.5, 5, 7.5, 10, 11.5])
    np.testing.assert_allclose(result.exponents, 2 * np.log([0.5, 0.25, 0.1]), rtol=1e-6)
    assert result.log_growth.shape == (5, 3) and np.isnan(result.stderr).all()


def test_exponents_are_sorted_and_errors_go_with_them():
    xs = jnp.stack([jnp.zeros(400), jax.random.normal(jax.random.key(0), (400,))], axis=1)
    growing = spectrum(lambda x, noise: jnp.exp(jnp.array([-1.0, 1.0]) + noise) * x, jnp.ones(2), xs, k=2,
                       tangents=jnp.eye(2), burn_in=100)  # fmt: skip
    assert growing.exponents[0] > growing.exponents[1]
    assert growing.stderr[0] > 10 * growing.stderr[1]


def test_one_tangent_without_qr_is_the_first_of_a_spectrum(x64):
    start = {"x": jnp.array(0.1), "y": jnp.array(0.1)}
    tangent = {"x": jnp.array(1.0), "y": jnp.array(2.0)}
    alone = pathjax.lyapunov_exponent(systems.henon, start, length=500, normalize_every=3, tangent=tangent)
    both = spectrum(systems.henon, start, k=1, length=500, tangents=jax.tree.map(lambda a: a[None], tangent))
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


def test_hyperparameters_carry_no_tangents_unless_asked(key):
    _, params, examples = network(key)
    dynamics = pathjax.training_dynamics(lambda w, e: jnp.sum(w["w0"] ** 2), lambda h: optax.sgd(h["learning_rate"]))
    state = dynamics.init(params, {"learning_rate": 0.1})
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, pathjax.batch_schedule(key, 32, 8, num_steps=5))
    assert spectrum(step_fn, state, xs, k=1).carry.tangents.hparams == {"learning_rate": None}
    both = spectrum(step_fn, state, xs, k=1, select=lambda name: True)
    assert both.carry.tangents.hparams["learning_rate"].shape == (1,)


def test_growth_far_beyond_squares_of_floats_is_measured():
    for factor in (1e15, 1e-15):
        result = spectrum(lambda x, f=factor: f * x, jnp.zeros(4), k=2, length=40, qr_every=2)
        np.testing.assert_allclose(result.exponents, math.log(factor), rtol=1e-5)
        pathjax.check(result)


@pytest.mark.parametrize("method", ["cholesky", "householder"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_states_are_measured_as_well_as_they_can_be(dtype, method):
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


def test_finite_time_exponents_average_to_the_whole():
    result = spectrum(lambda x: 4 * x * (1 - x), 0.3, k=1, length=1000, qr_every=2, dt=0.1)
    windows = pathjax.finite_time_exponents(result, window=50)
    np.testing.assert_allclose(windows.times, np.arange(1, 11) * 10, rtol=1e-5)
    np.testing.assert_allclose(windows.exponents.mean(0), result.exponents, rtol=1e-5)


def test_a_diverging_run_names_its_first_step_burn_in_included():
    result = spectrum(lambda x: x**2, jnp.array(10.0), k=1, length=100, burn_in=2, qr_every=3)
    # 10^(2^n) exceeds float32 at n = 6.
    assert result.first_nonfinite == 6
    with pytest.raises(pathjax.InputError, match="not finite after step 6"):
        pathjax.check(result)


def test_check_of_vmapped_results_names_the_run():
    starts = jnp.array([0.1, 0.2, 10.0])
    result = jax.vmap(lambda x: spectrum(lambda x: x**2, x, k=1, length=50))(starts)
    with pytest.raises(pathjax.InputError, match="1 of 3 runs are at fault, the first is run 2: the trajectory"):
        pathjax.check(result)


def test_a_spectrum_goes_through_jit_with_traced_parameters():
    rates = jax.jit(
        jax.vmap(lambda r: spectrum(lambda x: r * x * (1 - x), 0.3, k=1, length=300, burn_in=100).exponents)
    )
    at_fixed_point = rates(jnp.array([1.5, 2.5]))[:, 0]
    np.testing.assert_allclose(at_fixed_point, np.log(np.abs(2 - np.array([1.5, 2.5]))), rtol=1e-4)


def test_data_are_arguments_and_equal_problems_compile_once(key):
    dynamics, params, examples = network(key)
    schedule = pathjax.batch_schedule(key, 32, 8, num_steps=4)
    before = pathjax.lyapunov.loop.run._cache_size()
    for _ in range(3):
        step_fn, xs = pathjax.scheduled_step(dynamics, examples, schedule)
        spectrum(step_fn, dynamics.init(params, {}), xs, k=2)
    assert pathjax.lyapunov.loop.run._cache_size() == before + 1


def test_a_function_that_has_changed_is_measured_anew():
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


@pytest.mark.parametrize("alone", [True, False])
def test_tangents_that_underflow_within_a_block_are_named(alone):
    def measure(every):
        if alone:
            return pathjax.lyapunov_exponent(lambda x: 0.1 * x, jnp.ones(3), length=300, normalize_every=every)
        return spectrum(lambda x: 0.1 * x, jnp.ones(3), k=1, length=300, qr_every=every)

    pathjax.check(measure(20))
    with pytest.raises(pathjax.InputError, match="shrank to exactly 0 .* take a smaller qr_every"):
        pathjax.check(measure(60))


def test_a_singular_derivative_is_no_matter_of_qr_every():
    matrix = jnp.array([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(pathjax.InputError, match="derivative is singular"):
        pathjax.check(spectrum(lambda x: matrix @ x, jnp.zeros(2), k=2, length=30))


def test_outputs_that_depend_on_nothing_that_moves_are_named():
    result = pathjax.function_space_spectrum(contraction, jnp.ones(3), predict=lambda x: jnp.ones(3), k=1, length=9)
    with pytest.raises(pathjax.InputError, match="no output depends on what moves"):
        pathjax.check(result)


def test_infinite_numbers_that_do_not_move_are_no_divergence():
    state = {"w": jnp.ones(2), "best": jnp.inf}
    step = lambda s: {"w": 0.5 * s["w"], "best": s["best"]}  # noqa: E731
    pathjax.check(spectrum(step, state, k=2, length=30, select=lambda name: name == "w"))


def test_functions_of_exponents_take_batches():
    batch = jnp.array([[1.0, -2.0], [1.0, -4.0]])
    np.testing.assert_allclose(pathjax.kaplan_yorke_dimension(batch), [1.5, 1.25])
    np.testing.assert_allclose(pathjax.entropy_bound(batch), [1, 1])
    np.testing.assert_allclose(pathjax.pairing_defect(batch, momentum=math.exp(-1)), [0, 2], atol=1e-6)


def test_tangents_are_found_by_name_and_may_be_whole_numbers():
    state = {"a": jnp.ones(2), "count": 0}
    step = lambda s: {"a": jnp.array([0.5, 0.25]) * s["a"], "count": s["count"] + 1}  # noqa: E731
    for tangents in (
        {"a": jnp.eye(2, dtype=int)},
        {"a": jnp.eye(2), "count": None},
        {"a": jnp.eye(2), "count": jnp.ones(2)},
    ):
        result = spectrum(step, state, k=2, length=5, tangents=tangents)
        np.testing.assert_allclose(result.exponents, np.log([0.5, 0.25]), rtol=1e-6)


def test_finite_sizes_of_a_diverging_map_are_at_fault():
    rates = pathjax.finite_size_exponents(lambda x: x**2, jnp.array(10.0), sizes=1e-2, length=20)
    with pytest.raises(pathjax.InputError, match="trajectory diverged"):
        pathjax.check(rates)
    pathjax.check(pathjax.finite_size_exponents(contraction, jnp.ones(3), sizes=[1e-2], length=20))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum(contraction, jnp.ones(3), k=2.0, length=5), "k is 2.0: expected a whole number"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=1e3), "length is 1000.0: expected a whole"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=9, burn_in=1.5), "burn_in is 1.5"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, dt=0), "dt 0 is out of range"),
        (lambda: spectrum(contraction, jnp.ones(3), 2.0, k=1), "xs has a leaf without rows"),
        (lambda: spectrum(contraction, jnp.ones(3), jnp.ones(4), k=1), r"step_fn\(state, x\), since xs are given"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), k=1, length=5), r"step_fn\(state\), since no xs"),
        (lambda: spectrum(3, jnp.ones(3), k=1, length=5), "step_fn is int"),
        (lambda: spectrum(contraction, "abc", k=1, length=5), "state must be a pytree of arrays"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, select="w"), "select is 'w'"),
        (lambda: spectrum(lambda s: s, {"w": 1.0}, k=1, length=5, select=lambda n: n == "v"), r"float leaves \(w\)"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, tangents=jnp.full((1, 3), jnp.nan)), "not finite"),
        (lambda: pathjax.lyapunov_exponent(contraction, jnp.ones(3), length=5, tangent=jnp.zeros(3)), "tangent is 0"),
        (lambda: pathjax.lyapunov_exponent(contraction, jnp.ones(3), length=5, normalize_every=0), "normalize_every 0"),
        (
            lambda: pathjax.finite_size_exponents(contraction, jnp.ones(3), sizes=[1], length=5, rescale_every=9),
            "no less",
        ),
        (
            lambda: pathjax.finite_size_exponents(
                contraction, jnp.ones(3), sizes=[1], length=50, burn_in=3, rescale_every=2
            ),
            "burn_in 3 must be a multiple",
        ),
        (lambda: pathjax.kaplan_yorke_dimension([]), r"shape \(0,\) was given"),
        (lambda: pathjax.covariant_vectors(jnp.ones((2, 4, 2, 2))), "r has 4 axes"),
        (
            lambda: pathjax.function_space_spectrum(contraction, jnp.ones(3), predict=jnp.argmax, k=1, length=5),
            "floats",
        ),
        (lambda: spectrum(contraction, jnp.ones(3), k=4, length=5), "4 tangents do not fit a state of 3 dimensions"),
        (lambda: spectrum(contraction, jnp.ones(3), k=0, length=5), "0 tangents"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1), "without xs a length is needed"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=0), "0 steps measure nothing"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, qr_every=0), "qr_every 0 is out of range"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, burn_in=-1), "burn_in -1"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, method="lu"), "unknown method 'lu': choose one of"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), jnp.ones(4), k=1, length=5), "need 5 rows of xs, which has 4"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), (jnp.ones(4), jnp.ones(5)), k=1), "leaves of xs have"),
        (lambda: spectrum(lambda x: (x, 0), jnp.ones(3), k=1, length=5), r"step_fn\(s, x\)\[0\]"),
        (lambda: spectrum(lambda x: x * 0.5, jnp.arange(3), k=1, length=5), "turns int32"),
        (lambda: spectrum(lambda x: x, jnp.arange(3), k=1, length=5), "nothing moves"),
        (lambda: spectrum(lambda x: x, jnp.ones(3, jnp.complex64), k=1, length=5), "is complex"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=5, tangents=jnp.eye(3)), "expected \\[2, 3\\]"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=5, tangents={"x": jnp.eye(3)}), "no leaf ''"),
        (lambda: pathjax.pairing_defect(jnp.ones(3), 0.9), "3 exponents cannot be paired"),
        (lambda: pathjax.covariant_vectors(None), "save_r=True"),
        (
            lambda: pathjax.finite_size_exponents(contraction, jnp.ones(3), sizes=[0.0], length=5),
            "positive separations",
        ),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(pathjax.InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("exponents", "num_dims", "expected"),
    [
        ([-0.1, -0.2], None, 0.0),
        ([0.5, 0.0, -1.0], None, 2.5),
        ([0.5, -0.1], None, math.nan),  # truncated: the sum has not turned
        ([0.5, -0.5], 2, 2.0),
        ([0.5, 0.1], 2, 2.0),
        ([-1.0, 0.5], None, 1.5),  # in any order
        ([0.5, -math.inf], None, 1.0),
        ([0.5, math.nan], None, math.nan),
    ],
)
def test_kaplan_yorke_dimension(exponents, num_dims, expected):
    dimension = pathjax.kaplan_yorke_dimension(jnp.array(exponents), num_dims)
    np.testing.assert_allclose(dimension, expected, rtol=1e-6)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    xs = jax.random.normal(jax.random.key(0), (4000,))
    result = spectrum(lambda x, noise: jnp.exp(noise) * x, 1e-30, xs, k=1)
    mean, stderr = jackknife(lambda exponents: exponents[0], result)
    assert mean == pytest.approx(float(result.exponents[0]), rel=1e-5)
    assert stderr == pytest.approx(1 / 4000**0.5, rel=0.4)


def test_results_with_and_without_factors_are_not_joined():
    one, other = (spectrum(contraction, jnp.ones(3), k=1, length=5, save_r=save) for save in (True, False))
    with pytest.raises(pathjax.InputError, match="measure both alike"):
        join_results(one, other)


def test_covariant_vectors_of_a_rotation_with_growth_have_right_angles(x64):
    rotation = 1.2 * jnp.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    shrink = jnp.array([[0.3]])
    step = lambda s: (rotation @ s[0], shrink @ s[1])  # noqa: E731
    r = spectrum(step, (jnp.ones(2), jnp.ones(1)), k=3, length=100, burn_in=30, save_r=True).r
    vectors = pathjax.covariant_vectors(r, transient=30)
    np.testing.assert_allclose(vectors.angles[:, :2, 2], math.pi / 2, atol=1e-7)
    np.testing.assert_allclose(vectors.log_growth.mean(0), np.log([1.2, 1.2, 0.3]), atol=1e-2)


def test_small_separations_of_a_smooth_map_grow_as_the_tangent(x64):
    start = {"x": jnp.array(0.1), "y": jnp.array(0.1)}
    rates = pathjax.finite_size_exponents(systems.henon, start, sizes=[0.3, 1e-4, 1e-8], length=4000, burn_in=100)
    np.testing.assert_allclose(rates.exponents[1:], rates.tangent, atol=2e-3)
    assert rates.exponents[0] < rates.tangent - 0.01 and rates.roundoff < 1e-14


def test_a_map_that_jumps_is_stable_infinitesimally_and_unstable_at_finite_size(x64):
    # Contracts by 0.9 but for a jump by 1, which falls between twins at a distance d with probability of about d.
    def step(x):
        return (0.9 * x + 0.2357) % 1

    rates = pathjax.finite_size_exponents(step, jnp.array(0.3), sizes=[0.1, 1e-9], length=20_000, num_twins=1)
    assert rates.tangent == pytest.approx(math.log(0.9)) and rates.exponents[1] == pytest.approx(
        math.log(0.9), abs=1e-5
    )
    assert rates.exponents[0] > 0


def test_finite_sizes_of_a_training_step_meet_its_tangent(x64, key):
    dynamics, params, examples = network(key)
    params, examples = (params, (examples[0].astype(float), examples[1]))
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, pathjax.batch_schedule(key, 32, 8, num_steps=200))
    state = dynamics.init(params, {})
    rates = pathjax.finite_size_exponents(step_fn, state, xs, sizes=[1e-6], rescale_every=10, num_twins=2)
    np.testing.assert_allclose(rates.exponents[0], rates.tangent, atol=1e-6)


def test_function_space_counts_no_movement_along_a_symmetry(x64):
    # f(w) = w0 w1: from (2, 1), w -> (1.1 w0, w1 / 1.1) leaves f as it is, in value and derivative along the orbit.
    result = pathjax.function_space_spectrum(
        lambda w: w * jnp.array([1.1, 1 / 1.1]),
        jnp.array([2.0, 1.0]),
        predict=lambda w: w[0] * w[1],
        k=1,
        length=40,
    )
    np.testing.assert_allclose(result.exponents, 0, atol=1e-12)


def test_no_more_function_tangents_than_outputs():
    with pytest.raises(pathjax.InputError, match="2 tangents cannot be told apart by 1 outputs"):
        pathjax.function_space_spectrum(contraction, jnp.ones(3), predict=jnp.sum, k=2, length=5)
