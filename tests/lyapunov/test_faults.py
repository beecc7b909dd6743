"""Invalid input and untrustworthy spectra raise InputError, with one line that names the problem and its fix."""

import jax
import jax.numpy as jnp
import pytest

import pathjax
from helpers.toy_maps import spectrum
from pathjax.lyapunov import join_results


def contraction(x):
    return jnp.array([0.5, 0.25, 0.1]) * x


def test_a_diverging_run_names_its_first_nonfinite_step_including_burn_in():
    result = spectrum(lambda x: x**2, jnp.array(10.0), k=1, length=100, burn_in=2, renormalize_every=3)
    # 10^(2^n) exceeds float32 at n = 6.
    assert result.first_nonfinite == 6
    with pytest.raises(pathjax.InputError, match="not finite after step 6"):
        pathjax.check_exponents(result)


def test_check_of_vmapped_results_names_the_run():
    starts = jnp.array([0.1, 0.2, 10.0])
    result = jax.vmap(lambda x: spectrum(lambda x: x**2, x, k=1, length=50))(starts)
    with pytest.raises(pathjax.InputError, match="1 of 3 runs are faulty, the first is run 2: the trajectory"):
        pathjax.check_exponents(result)


@pytest.mark.parametrize("alone", [True, False])
def test_tangents_that_underflow_within_a_block_are_named(alone):
    def measure(every):
        if alone:
            return pathjax.lyapunov_exponent(
                jax.random.key(0),
                lambda x: 0.1 * x,
                jnp.ones(3),
                length=300,
                options=pathjax.SpectrumOptions(renormalize_every=every),
            )
        return spectrum(lambda x: 0.1 * x, jnp.ones(3), k=1, length=300, renormalize_every=every)

    pathjax.check_exponents(measure(20))
    with pytest.raises(pathjax.InputError, match="shrank to exactly 0 .* choose a smaller renormalize_every"):
        pathjax.check_exponents(measure(60))


def test_a_singular_derivative_is_reported():
    matrix = jnp.array([[1.0, 1.0], [1.0, 1.0]])
    # By the processor's rounding, the second tangent is exactly 0 or nearly parallel to the first: one cause.
    with pytest.raises(pathjax.InputError, match="derivative of (a|the) step is singular"):
        pathjax.check_exponents(spectrum(lambda x: matrix @ x, jnp.zeros(2), k=2, length=30))


def test_outputs_that_do_not_depend_on_the_state_raise():
    result = pathjax.function_space_spectrum(
        jax.random.key(0), contraction, jnp.ones(3), predict=lambda x: jnp.ones(3), k=1, length=9
    )
    with pytest.raises(pathjax.InputError, match="no output depends on the selected leaves"):
        pathjax.check_exponents(result)


def test_infinite_leaves_without_tangents_are_not_divergence():
    state = {"w": jnp.ones(2), "best": jnp.inf}
    step = lambda s: {"w": 0.5 * s["w"], "best": s["best"]}  # noqa: E731
    pathjax.check_exponents(spectrum(step, state, k=2, length=30, select=lambda name: name == "w"))


def test_a_tangent_of_length_0_is_not_a_diverged_state():
    rates = pathjax.finite_size_exponents(
        jax.random.key(0), lambda x: 0 * x, jnp.array(1.0), epsilons=[1e-2], length=20
    )
    assert rates.first_nonfinite == -1 and rates.exponents == -jnp.inf


def test_finite_size_exponents_of_a_diverging_map_raise():
    rates = pathjax.finite_size_exponents(
        jax.random.key(0), lambda x: x**2, jnp.array(10.0), epsilons=[1e-2], length=20
    )
    with pytest.raises(pathjax.InputError, match="trajectory diverged"):
        pathjax.check_exponents(rates)
    pathjax.check_exponents(
        pathjax.finite_size_exponents(jax.random.key(0), contraction, jnp.ones(3), epsilons=[1e-2], length=20)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum(contraction, jnp.ones(3), k=2.0, length=5), "k must be an integer, not 2.0"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=1e3), "length must be an integer, not 1000.0"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=9, burn_in=1.5), "burn_in must be an integer, not 1.5"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, dt=0), "dt must be positive, not 0"),
        (lambda: spectrum(contraction, jnp.ones(3), 2.0, k=1), "every leaf of xs must have one row per step"),
        (lambda: spectrum(contraction, jnp.ones(3), jnp.ones(4), k=1), r"step_fn\(state, x\), since xs are given"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), k=1, length=5), r"step_fn\(state\), since no xs"),
        (lambda: spectrum(3, jnp.ones(3), k=1, length=5), "step_fn must be a function from state to state, not int"),
        (lambda: spectrum(contraction, "abc", k=1, length=5), "state must be a pytree of arrays"),
        (
            lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, select="w"),
            "select must be .* not 'w'",
        ),
        (lambda: spectrum(lambda s: s, {"w": 1.0}, k=1, length=5, select=lambda n: n == "v"), r"float leaves \(w\)"),
        (
            lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, tangents=jnp.full((1, 3), jnp.nan)),
            "must be finite",
        ),
        (
            lambda: pathjax.lyapunov_exponent(
                jax.random.key(0),
                contraction,
                jnp.ones(3),
                length=5,
                options=pathjax.SpectrumOptions(tangents=jnp.zeros((1, 3))),
            ),
            "tangent is 0",
        ),
        (
            lambda: pathjax.lyapunov_exponent(
                jax.random.key(0),
                contraction,
                jnp.ones(3),
                length=5,
                options=pathjax.SpectrumOptions(renormalize_every=0),
            ),
            "renormalize_every must be 1 or more, not 0",
        ),
        (
            lambda: pathjax.finite_size_exponents(
                jax.random.key(0),
                contraction,
                jnp.ones(3),
                epsilons=[1],
                length=5,
                options=pathjax.SpectrumOptions(renormalize_every=9),
            ),
            "length 5 at least 9",
        ),
        (
            lambda: pathjax.finite_size_exponents(
                jax.random.key(0),
                contraction,
                jnp.ones(3),
                epsilons=[1],
                length=50,
                options=pathjax.SpectrumOptions(burn_in=3, renormalize_every=2),
            ),
            "burn_in 3 must be a multiple",
        ),
        (lambda: pathjax.kaplan_yorke_dimension([]), r"shape \(0,\) was given"),
        (lambda: pathjax.covariant_vectors(jnp.ones((2, 4, 2, 2))), "not 4 axes"),
        (
            lambda: pathjax.function_space_spectrum(
                jax.random.key(0), contraction, jnp.ones(3), predict=jnp.argmax, k=1, length=5
            ),
            "floats",
        ),
        (lambda: spectrum(contraction, jnp.ones(3), k=4, length=5), "4 tangents do not fit a state of 3 dimensions"),
        (lambda: spectrum(contraction, jnp.ones(3), k=0, length=5), "0 tangents"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1), "without xs, a length is required"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=0), "length must be 1 or more after burn_in=0, not 0"),
        (
            lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, renormalize_every=0),
            "renormalize_every must be 1 or more, not 0",
        ),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, burn_in=-1), "burn_in must be 0 or more, not -1"),
        (lambda: spectrum(contraction, jnp.ones(3), k=1, length=5, method="lu"), "unknown method 'lu'; choose one of"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), jnp.ones(4), k=1, length=5), "need 5 rows of xs, but it has 4"),
        (lambda: spectrum(lambda x, y: x, jnp.ones(3), (jnp.ones(4), jnp.ones(5)), k=1), "leaves of xs must have"),
        (lambda: spectrum(lambda x: (x, 0), jnp.ones(3), k=1, length=5), r"step_fn\(s, x\)\[0\]"),
        (lambda: spectrum(lambda x: x * 0.5, jnp.arange(3), k=1, length=5), "turns int32"),
        (lambda: spectrum(lambda x: x, jnp.arange(3), k=1, length=5), "no leaf carries tangents"),
        (lambda: spectrum(lambda x: x, jnp.ones(3, jnp.complex64), k=1, length=5), "must not be complex"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=5, tangents=jnp.eye(3)), "expected \\[2, 3\\]"),
        (lambda: spectrum(contraction, jnp.ones(3), k=2, length=5, tangents={"x": jnp.eye(3)}), "no leaf ''"),
        (lambda: pathjax.pairing_defect(jnp.ones(3), 0.9), "3 exponents cannot be paired"),
        (lambda: pathjax.covariant_vectors(None), "save_r=True"),
        (
            lambda: pathjax.finite_size_exponents(
                jax.random.key(0), contraction, jnp.ones(3), epsilons=[0.0], length=5
            ),
            "positive separations",
        ),
    ],
)
def test_invalid_input_raises_one_line(call, message):
    with pytest.raises(pathjax.InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_results_with_and_without_factors_cannot_be_joined():
    one, other = (spectrum(contraction, jnp.ones(3), k=1, length=5, save_r=save) for save in (True, False))
    with pytest.raises(pathjax.InputError, match="the same save_r"):
        join_results(one, other)


def test_more_function_tangents_than_outputs_raise():
    with pytest.raises(pathjax.InputError, match="1 outputs cannot distinguish 2 tangents"):
        pathjax.function_space_spectrum(jax.random.key(0), contraction, jnp.ones(3), predict=jnp.sum, k=2, length=5)


def test_a_state_without_floats_raises():
    with pytest.raises(pathjax.InputError, match=r"one of the state's float leaves \(none\)"):
        spectrum(lambda x: x, jnp.array(1), k=1, length=3)


@pytest.mark.parametrize("renormalize_every", [1, 2])
def test_a_shorter_block_is_advised_if_blocks_can_be_shorter(renormalize_every):
    pointed = spectrum(lambda x: jnp.sqrt(jnp.abs(x)), jnp.zeros(2), k=1, length=4, renormalize_every=renormalize_every)
    with pytest.raises(pathjax.InputError, match="the tangents are not finite") as caught:
        pathjax.check_exponents(pointed)
    assert ("choose renormalize_every below" in str(caught.value)) == (renormalize_every > 1)


def test_joined_results_add_up_fallbacks():
    shrinking = jnp.array([[1.0, 0.0], [0.0, 1e-5]])
    first = spectrum(lambda x: shrinking @ x, jnp.ones(2), k=2, length=20)
    second = spectrum(lambda x: shrinking @ x, jnp.ones(2), k=2, length=30)
    assert first.num_fallbacks > 0 and second.num_fallbacks > 0
    assert join_results(first, second).num_fallbacks == first.num_fallbacks + second.num_fallbacks
