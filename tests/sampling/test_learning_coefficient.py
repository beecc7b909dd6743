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
def test_intervals_cover_in_200_runs_on_a_quadratic():
    sampling = Sampling((1e4,), num_chains=20, num_steps=400)
    found = learning_coefficient(KEY, bowl, jnp.zeros((200, 4)), jnp.zeros(1), sampling)
    exact = 0.5 * float(jnp.sum(1e4 * STEEP / (1e4 * STEEP + 1)))
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
    sampling = Sampling((1000.0,), num_chains=100, num_steps=2000, smallest_step=0.02, batch_size=16)
    found = learning_coefficient(KEY, loss, jnp.array([[1.0, -2.0, 0.5]]), examples, sampling)
    assert abs(found.values[0, 0] - 1.5) < 0.15  # half of three weights; batches add noise


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
        ({"inverse_temperatures": ()}, "inverse_temperatures must be positive and increasing"),
        ({"inverse_temperatures": (2.0, 1.0)}, "inverse_temperatures must be positive and increasing"),
        ({"num_chains": 1}, "num_chains must be 2 or more, not 1"),
        ({"num_steps": 3}, "num_steps must be even, not 3"),
        ({"localization": 0.0}, "localization must be positive, not 0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value),
)
def test_bad_options_are_refused_in_one_line(change, message):
    sampling = Sampling((1.0,))._replace(**change)
    with pytest.raises(pathjax.InputError, match=message):
        learning_coefficient(KEY, bowl, jnp.zeros((1, 4)), jnp.zeros(1), sampling)
