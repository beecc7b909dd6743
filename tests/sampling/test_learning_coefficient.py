"""Learning coefficients against those that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax.core.errors import InputError
from pathjax.experiments.learning_coefficients import experiment
from pathjax.sampling import Sampling, learning_coefficient
from pathjax.theory.singular_models import monomial, reduced_rank

KEY = jax.random.key(0)
STEEP = jnp.array([1.0, 3.0, 10.0, 0.5])


def bowl(w, x):
    return 0.5 * jnp.sum(STEEP * w**2)


def test_a_regular_minimum_has_half_its_dimension():
    sampling = Sampling((1e3, 1e4), num_chains=200, num_steps=400)
    found = learning_coefficient(KEY, bowl, jnp.zeros((2, 4)), jnp.zeros(1), sampling)
    exact = [0.5 * float(jnp.sum(t * STEEP / (t * STEEP + 1))) for t in sampling.inverse_temperatures]
    assert found.values.shape == (2, 2) and found.energies.shape == (2, 200, 2)
    errors = (found.high - found.low) / 4
    assert (abs(found.values - np.array(exact)) < 4 * errors).all() and (errors < 0.06).all()
    assert (found.values[0] != found.values[1]).all()  # networks have chains of their own


@pytest.mark.slow
@pytest.mark.parametrize("num", [4, 20, 100])
def test_intervals_cover_in_200_runs_on_a_quadratic(num):
    steep = jnp.logspace(-0.5, 1, num)
    loss = lambda w, x: 0.5 * jnp.sum(steep * w**2)  # noqa: E731
    sampling = Sampling((1e4,), num_chains=20, num_steps=400)
    found = learning_coefficient(KEY, loss, jnp.zeros((200, num)), jnp.zeros(1), sampling)
    exact = 0.5 * float(jnp.sum(1e4 * steep / (1e4 * steep + 1)))
    covered = ((found.low <= exact) & (exact <= found.high)).mean()
    assert 0.90 <= covered <= 0.98, covered


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (3, 1)])
def test_monomials_have_their_coefficient(a, b):
    cell = experiment.Design(what="monomial", numbers=(a, b), num_chains=2000, num_steps=1000)
    fit, known = experiment.measure(cell)["fit"], monomial(a, b)
    assert fit["multiplicity"] == known.multiplicity and fit["stderr"] <= 0.02
    assert abs(fit["value"] - known.coefficient) < 3 * fit["stderr"]


def test_a_network_that_is_no_minimum_has_a_negative_value():
    sampling = Sampling((100.0,), num_chains=40, num_steps=200, localization=0.1, largest_step=0.01)
    found = learning_coefficient(KEY, bowl, jnp.full((1, 4), 2.0), jnp.zeros(1), sampling)
    assert found.high[0, 0] < 0


def test_batches_sample_by_sgld():
    inputs = jax.random.normal(KEY, (64, 3))
    examples = (inputs, inputs @ jnp.array([1.0, -2.0, 0.5]))
    loss = lambda w, batch: 0.5 * (batch[0] @ w - batch[1]) ** 2  # noqa: E731
    sampling = Sampling((1000.0,), num_chains=100, num_steps=2000, batch_step=0.02, batch_size=16)
    found = learning_coefficient(KEY, loss, jnp.array([[1.0, -2.0, 0.5]]), examples, sampling)
    assert abs(found.values[0, 0] - 1.5) < 0.15  # half of three weights; batches add noise


def test_batches_sample_at_the_default_step():
    loss = lambda w, batch: 0.5 * jnp.sum(w**2) + 0 * batch  # noqa: E731
    found = learning_coefficient(KEY, loss, jnp.zeros((1, 4)), jnp.zeros(8), Sampling((1e4,), 100, 400, batch_size=4))
    bias = 1 / (1 - 0.1 / 4)  # of the discrete process, as in test_langevin
    assert abs(found.values[0, 0] - 2 * bias) < 2 * (found.high - found.low)[0, 0]


def test_published_formulas():
    assert monomial(1, 1) == (0.5, 2) and monomial(3, 1) == (1 / 6, 1)
    # One hidden unit is the product of two vectors: at rank 0, min(M, N) / 2, twice if both are equal.
    for m, n in ((2, 2), (2, 3), (5, 2)):
        found = reduced_rank(m, n, 1, 0)
        assert found.coefficient == min(m, n) / 2 and found.multiplicity == 1 + (m == n)
    # At full rank the model is regular, up to the symmetry of H^2 directions.
    assert reduced_rank(4, 3, 2, 2).coefficient == (4 * 2 + 3 * 2 - 4) / 2
    with pytest.raises(InputError, match="the rank must be 0 to 2, not 3"):
        reduced_rank(4, 3, 2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inverse_temperatures": ()}, "inverse_temperatures must be a tuple of positive, increasing numbers"),
        ({"inverse_temperatures": (2.0, 1.0)}, "inverse_temperatures must be a tuple of positive"),
        ({"num_chains": 1}, "num_chains must be 2 or more, not 1"),
        (
            {"inverse_temperatures": 1e4},
            "inverse_temperatures must be a tuple of positive, increasing numbers, not 10000.0",
        ),
        (
            {"inverse_temperatures": (float("inf"),)},
            "inverse_temperatures must be a tuple of positive, increasing numbers",
        ),
        ({"num_steps": 6}, "num_steps must be a multiple of 4, not 6"),
        ({"batch_size": 2.5}, "batch_size must be an integer, not 2.5"),
        ({"batch_step": float("nan")}, "batch_step must be positive and finite, not nan"),
        ({"smallest_step": 1e9}, "must be below largest_step / localization .2.: choose a smaller smallest_step"),
        ({"localization": 0.0}, "localization must be positive and finite, not 0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value),
)
def test_bad_options_are_refused_in_one_line(change, message):
    sampling = Sampling((1.0,))._replace(**change)
    with pytest.raises(pathjax.InputError, match=message):
        learning_coefficient(KEY, bowl, jnp.zeros((1, 4)), jnp.zeros(1), sampling)


SHORT = Sampling((1e4,), num_chains=2, num_steps=8)
FAULTS = {
    "a loss that is not finite": (lambda w, x: jnp.nan * w[0], SHORT, "the loss of network 0 is not finite"),
    "no finite loss around": (
        lambda w, x: jnp.where(jnp.all(w == 0), 0.0, jnp.nan),
        SHORT,
        "all proposals of network 0 were refused at inverse temperature 10000: choose a smaller smallest_step",
    ),
    "steps that diverge": (
        lambda w, x: 1e6 * jnp.sum(w**2),
        SHORT._replace(batch_size=2, num_steps=400),
        "chains of network 0 diverged at inverse temperature 10000: choose a smaller batch_step",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_losses_that_cannot_be_sampled_are_refused_in_one_line(name):
    loss, sampling, message = FAULTS[name]
    with pytest.raises(InputError, match=message):
        learning_coefficient(KEY, loss, jnp.zeros((1, 4)), jnp.zeros(4), sampling)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({}, "the dataset has no arrays"),
        (jnp.zeros((0, 3)), "the dataset has no examples"),
        ((jnp.zeros(4), jnp.zeros(5)), "the dataset has arrays of 4 and 5 examples"),
    ],
    ids=["no arrays", "no examples", "lengths differ"],
)
def test_data_without_examples_are_refused_in_one_line(dataset, message):
    with pytest.raises(InputError, match=message):
        learning_coefficient(KEY, bowl, jnp.zeros((1, 4)), dataset, SHORT)


def test_chains_that_have_not_settled_show_a_drift():
    steep = jnp.logspace(-2, 2, 100)
    loss = lambda w, x: 0.5 * jnp.sum(steep * w**2)  # noqa: E731
    found = learning_coefficient(KEY, loss, jnp.zeros((1, 100)), jnp.zeros(1), Sampling((1e4,), 40, 400))
    assert found.high[0, 0] < 50 and found.drift_low[0, 0] > 0
    settled = learning_coefficient(KEY, bowl, jnp.zeros((1, 4)), jnp.zeros(1), Sampling((1e4,), 20, 800))
    assert settled.drift_low[0, 0] < 0 < settled.drift_high[0, 0]


@pytest.mark.slow
def test_many_weights_have_half_their_number():
    found = learning_coefficient(
        KEY, lambda w, x: 0.5 * jnp.sum(w**2), jnp.zeros((1, 1000)), jnp.zeros(1), Sampling((1e4,), 40, 400)
    )
    assert (
        abs(found.values[0, 0] - 500) < 2 * (found.high - found.low)[0, 0] and found.high[0, 0] - found.low[0, 0] < 15
    )


def test_half_precision_weights_and_states_of_models_are_sampled():
    def loss_fn(params, count, batch, key):
        return 0.5 * jnp.sum(params["w"].astype(jnp.float32) ** 2), count + 1

    networks = pathjax.Network({"w": jnp.zeros((2, 4), jnp.bfloat16)}, jnp.zeros(2, jnp.int32))
    loss = pathjax.Loss(loss_fn, model_state=True, stochastic=True)
    found = learning_coefficient(KEY, loss, networks, jnp.zeros(1), Sampling((10.0,), 100, 400))
    assert np.abs(found.values - 2 * 10 / 11).max() < 0.3
