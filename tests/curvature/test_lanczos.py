"""Leading eigenpairs against matrices whose eigenvalues are known, and against dense Hessians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.dense_hessians import NETWORKS, flattened, problem
from pathjax.core.errors import InputError
from pathjax.curvature import empty_space, estimate_trace, hessian, leading_eigenpairs


def rotated(values, seed=0):
    """A matrix with these eigenvalues, and its eigenvectors, the largest first."""
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    values = np.sort(np.asarray(values, float))[::-1]
    return jnp.asarray((q * values) @ q.T, jnp.float32), q.T


def found(matrix, num, seed=1, **options):
    """The eigenpairs of a matrix whose weights are a tree of two leaves."""
    half = len(matrix) // 2
    split = lambda v: {"a": v[:half], "b": v[half:].reshape(-1, 1)}  # noqa: E731
    join = lambda tree: jnp.concatenate([tree["a"], tree["b"].ravel()])  # noqa: E731
    like = split(jnp.zeros(len(matrix)))
    return leading_eigenpairs(jax.random.key(seed), lambda v: split(matrix @ join(v)), like, num, **options)


RNG = np.random.default_rng(5)
SPECTRA = {
    "outliers": (np.r_[np.linspace(10, 5, 6), RNG.normal(size=300) * 0.3], 6),
    "a pair that is nearly one": (np.r_[1, 0.9995, 0.5, RNG.uniform(0, 0.2, 300)], 3),
    "a pair that is one": (np.r_[3, 3, 1, RNG.uniform(-0.3, 0.3, 100)], 3),
    "larger negative ones": (np.r_[2, 1, -40, -30, RNG.uniform(-1, 0.5, 100)], 2),
    "all negative": (-RNG.uniform(1, 2, 120), 2),
    "all of a few": (RNG.normal(size=9), 9),
    "one weight": ([-3.0], 1),
    "zeros": (np.zeros(5), 2),
    "ones": (np.ones(7), 3),
    "rank one": (np.r_[4.0, np.zeros(60)], 3),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_eigenvalues_are_those_of_the_matrix(name):
    values, num = SPECTRA[name]
    matrix, _ = rotated(values)
    # Gaps of 3e-4 between eigenvalues near -1 need a residual below that.
    pairs = found(matrix, num, **({"tolerance": 1e-4} if name == "all negative" else {}))
    expected = np.sort(np.asarray(values, float))[::-1][:num]
    np.testing.assert_allclose(pairs.values, expected, rtol=1e-3, atol=2e-6)
    vectors = flattened(pairs.vectors)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(num), atol=1e-5)
    residuals = np.linalg.norm(vectors @ np.asarray(matrix) - np.asarray(pairs.values)[:, None] * vectors, axis=1)
    np.testing.assert_allclose(pairs.residuals, residuals, atol=2e-5 * max(np.abs(values).max(), 1))


def test_vectors_are_within_one_degree_where_the_gap_allows():
    matrix, vectors = rotated(SPECTRA["outliers"][0])
    pairs = found(matrix, 6)
    cosines = np.abs((flattened(pairs.vectors) * vectors[:6]).sum(1))
    assert np.degrees(np.arccos(np.minimum(cosines, 1))).max() < 1


def test_a_bulk_without_gaps_needs_restarts_and_a_warm_start_saves_products():
    values = RNG.uniform(0, 1, 400)
    matrix, _ = rotated(values)
    pairs = found(matrix, 4)
    assert 30 < pairs.num_products < 200
    np.testing.assert_allclose(pairs.values, np.sort(values)[::-1][:4], rtol=2e-3)
    assert found(matrix, 4, 2, start=pairs.space).num_products < pairs.num_products


def test_an_eigenvalue_that_overtakes_the_leading_one_is_found_from_a_warm_start():
    before, vectors = rotated(np.r_[10, 5, RNG.uniform(-1, 1, 300)])
    pairs = found(before, 1)
    after = before + jnp.asarray(20 * np.outer(vectors[250], vectors[250]), jnp.float32)  # from the bulk
    again = found(after, 1, 2, start=pairs.space)
    assert again.values[0] > 19 and again.num_products <= 25


SLOW = ("MLP, ReLU", "ViT", "ResNet", "transformer", "text classifier")
FAMILIES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NETWORKS]


@pytest.mark.parametrize("name", FAMILIES)
def test_eigenpairs_and_trace_of_networks_are_those_of_the_dense_hessian(name):
    params, losses, examples, dense = problem(name)

    @jax.jit
    def measured(params):
        product = hessian(lambda w: losses(w, examples).mean(), params)
        pairs = leading_eigenpairs(jax.random.key(0), product, params, 5)
        plain = estimate_trace(jax.random.key(1), product, params, 60)
        return pairs, plain, estimate_trace(jax.random.key(1), product, params, 60, pairs)

    pairs, plain, deflated = measured(params)
    values, vectors = np.linalg.eigh(dense)
    values, vectors = values[::-1], vectors.T[::-1]
    np.testing.assert_allclose(pairs.values, values[:5], rtol=1e-3)
    gaps = np.minimum(np.r_[np.inf, -np.diff(values[:5])], -np.diff(values[:6]))
    clear = gaps > 0.1 * values[0]
    cosines = np.abs((flattened(pairs.vectors) * vectors[:5]).sum(1))
    assert clear.any() and np.degrees(np.arccos(np.minimum(cosines, 1)))[clear].max() < 1
    for trace in (plain, deflated):
        assert abs(trace.value - np.trace(dense)) < 3 * trace.error
    assert deflated.error < plain.error


def test_products_that_are_not_finite_end_the_search_at_once():
    pairs = leading_eigenpairs(jax.random.key(0), lambda v: v * jnp.nan, jnp.zeros(50))
    assert jnp.isnan(pairs.values).all() and pairs.num_products == 1
    again = found(rotated(np.arange(30))[0], 1, start={"a": jnp.full((3, 15), jnp.nan), "b": jnp.zeros((3, 15, 1))})
    np.testing.assert_allclose(again.values, [29], rtol=1e-3)


def test_the_search_ends_after_the_given_number_of_products():
    matrix, _ = rotated(RNG.uniform(0, 1, 200))
    pairs = found(matrix, 1, tolerance=0.0, max_products=11)
    assert pairs.num_products == 11 and pairs.residuals[0] > 0
    warm = found(matrix, 1, start=pairs.space, tolerance=0.0, max_products=11, max_warm_products=9)
    assert warm.num_products == 9 and warm.residuals[0] < pairs.residuals[0]
    zero = jax.tree.map(jnp.zeros_like, pairs.space)
    assert found(matrix, 1, start=zero, tolerance=0.0, max_products=11, max_warm_products=9).num_products == 11


def test_a_search_takes_at_least_one_product_for_each_eigenvalue():
    values = np.arange(1.0, 61)
    pairs = found(rotated(values)[0], 30, max_products=25)
    vectors = flattened(pairs.vectors)
    assert pairs.num_products == 30 and (pairs.values > 0).all()
    residuals = np.linalg.norm(vectors @ np.asarray(rotated(values)[0]) - pairs.values[:, None] * vectors, axis=1)
    np.testing.assert_allclose(pairs.residuals, residuals, atol=1e-3)


def test_half_precision_weights_have_eigenpairs_in_single_precision():
    pairs = leading_eigenpairs(jax.random.key(0), lambda v: 3 * v, jnp.zeros(40, jnp.bfloat16))
    assert pairs.values.dtype == jnp.float32 and pairs.vectors.dtype == jnp.float32
    np.testing.assert_allclose(pairs.values, [3], rtol=1e-2)


def test_searches_can_be_vmapped():
    matrices = jnp.stack([rotated(np.r_[top, RNG.uniform(-1, 1, 50)], seed)[0] for seed, top in enumerate((5, 9, 30))])
    search = lambda a: leading_eigenpairs(jax.random.key(0), lambda v: a @ v, jnp.zeros(51)).values  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.vmap(search))(matrices)[:, 0], [5, 9, 30], rtol=1e-3)


@pytest.mark.parametrize(
    ("num", "like", "message"),
    [
        (4, jnp.zeros(3), "a matrix of 3 rows has no 4 eigenvalues: ask for 3 or fewer"),
        (1, {}, "a matrix of 0 rows has no 1 eigenvalues: give weights"),
        (0, jnp.zeros(3), "num must be 1 or more, not 0"),
        (1.5, jnp.zeros(3), "num must be an integer, not 1.5"),
    ],
    ids=["more than weights", "no weights", "none", "no integer"],
)
def test_impossible_numbers_are_refused_in_one_line(num, like, message):
    with pytest.raises(InputError, match=message):
        leading_eigenpairs(jax.random.key(0), lambda v: v, like, num)


@pytest.mark.parametrize(
    ("like", "options", "message"),
    [
        (jnp.zeros(3, int), {}, "the weights must be floats, not integers"),
        (jnp.zeros(3), {"start": jnp.zeros((2, 4))}, "vectors of start have shape .4,., but the weights .3,."),
        (jnp.zeros(3), {"tolerance": -1.0}, "tolerance must be 0 or more, not -1.0"),
    ],
    ids=["integers", "another start", "tolerance"],
)
def test_bad_input_is_refused_in_one_line(like, options, message):
    with pytest.raises(InputError, match=message):
        leading_eigenpairs(jax.random.key(0), lambda v: v, like, **options)


def test_an_empty_space_has_the_shape_of_the_space_of_a_search():
    for dim, num in ((50, 3), (4, 2), (4, 4)):
        pairs = leading_eigenpairs(jax.random.key(0), lambda v: 2 * v, jnp.zeros(dim), num)
        assert pairs.space.shape == empty_space(jnp.zeros(dim), num).shape
