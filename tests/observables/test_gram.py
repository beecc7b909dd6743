"""The cloud of members, its memory and its regimes, against direct computation and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.analysis.autocorrelation import integrated_time, two_time_correlation
from pathjax.analysis.covariance import cloud, pair_distances
from pathjax.analysis.normality import mardia, rejected_planes
from pathjax.analysis.regimes import REGIMES, regimes
from pathjax.core import trees

obs = pathjax.observables


def flat(params):
    return np.concatenate([np.asarray(leaf, float).reshape(len(leaf), -1) for leaf in jax.tree.leaves(params)], axis=1)


def test_statistics_from_inner_products_equal_those_from_the_points(x64, key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(0.5,), num_seeds=4)
    measures = [obs.weight_gram(7, every=4), obs.function_gram(predict, examples[0], 7, every=4)]
    result = pathjax.rollout(
        dynamics, members, examples, schedule(4, 32), measures, options=pathjax.RolloutOptions(member_tile=2)
    )
    points = flat(result.ensemble.state.params)
    logits = np.stack([predict(trees.index(result.ensemble.state.params, m), examples[0]) for m in range(7)])
    for name, x in (("weight_gram", points), ("function_gram", logits.reshape(7, -1) / 32**0.5)):
        gram = result.records[name][-1]
        np.testing.assert_allclose(gram, (x - x[0]) @ (x - x[0]).T, rtol=1e-5, atol=1e-12)
        direct = np.linalg.norm(x[:, None] - x[None], axis=-1)
        np.testing.assert_allclose(pair_distances(gram), direct, rtol=1e-4, atol=1e-6)
        found = cloud(gram)
        eigenvalues = np.sort(np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / 6)[::-1]
        np.testing.assert_allclose(found.spectrum, eigenvalues, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(found.total_variance, x.var(0, ddof=1).sum(), rtol=1e-5)
        shares = eigenvalues[:6] / eigenvalues.sum()
        np.testing.assert_allclose(found.participation_ratio, 1 / (shares**2).sum(), rtol=1e-4)
        np.testing.assert_allclose(found.effective_dimension, np.exp(-(shares * np.log(shares)).sum()), rtol=1e-4)


def test_mismatched_observables_raise_before_training(key):
    dynamics, params, examples = network(key)
    arguments = (dynamics, ensemble(dynamics, params, key), examples, schedule(2, 32))
    with pytest.raises(pathjax.InputError, match="weight_gram expects 3 members, not 7"):
        pathjax.rollout(*arguments, [obs.weight_gram(3, every=2)])
    anchored = [
        obs.weight_autocorrelation((0,), every=2),
        obs.function_autocorrelation(predict, examples[0], (0, 2), every=2),
    ]
    with pytest.raises(pathjax.InputError, match="label 'anchor' differently"):
        pathjax.rollout(*arguments, anchored)


def test_a_cloud_of_equal_points_has_no_dimension():
    for gram in (np.zeros((3, 3)), np.full((5, 5), 0.1), np.full((5, 5), 0.1, np.float32)):
        found = cloud(gram)
        assert found.total_variance == 0 and np.isnan(found.participation_ratio) and np.isnan(found.effective_dimension)
    assert np.isnan(cloud(np.zeros((0, 0))).total_variance) and np.isnan(integrated_time([]))


@pytest.mark.parametrize(("n", "k"), [(8, 2), (60, 3)])
def test_mardias_statistics_equal_sums_over_pairs_and_reject_gaussians_at_the_nominal_rate(n, k):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, n, k))
    found = mardia(points)
    centered = points[0] - points[0].mean(0)
    products = centered @ np.linalg.inv(centered.T @ centered / n) @ centered.T
    np.testing.assert_allclose(found.skewness[0], (products**3).mean(), rtol=1e-9)
    np.testing.assert_allclose(found.kurtosis[0], (np.diag(products) ** 2).mean(), rtol=1e-9)
    for p in (found.skewness_p, found.kurtosis_p):
        np.testing.assert_allclose((p < 0.05).mean(), 0.05, atol=4 * (0.05 * 0.95 / 2000) ** 0.5)
    moved = mardia(points[0] @ rng.normal(size=(k, k)) + 3)
    np.testing.assert_allclose([moved.skewness, moved.kurtosis], [found.skewness[0], found.kurtosis[0]], rtol=1e-6)


def test_mardia_rejects_non_gaussian_points():
    rng = np.random.default_rng(0)
    skewed, flat = mardia(rng.exponential(size=(200, 2))), mardia(rng.uniform(size=(200, 2)))
    assert skewed.skewness_p < 1e-3 and skewed.kurtosis_p < 1e-3 and flat.kurtosis_p < 1e-3 < flat.skewness_p
    for nothing in (np.zeros((3, 4)), np.zeros((8, 2)), np.full((8, 2), np.nan)):
        assert np.isnan(mardia(nothing)).all()


def test_rejected_planes_follow_from_inner_products_alone():
    rng = np.random.default_rng(0)
    for points, expected in ((rng.exponential(size=(100, 2)), 1), (rng.normal(size=(100, 2)), 0)):
        np.testing.assert_array_equal(rejected_planes(points @ points.T + 7), (expected, expected))
    many = rng.exponential(size=(30, 1000))
    assert max(rejected_planes(many @ many.T)) < 0.2  # random projections of many dimensions are Gaussian
    assert np.isnan(rejected_planes(np.zeros((8, 8)))).all() and np.isnan(rejected_planes(np.eye(3))).all()


def autoregressive(rho, size, num_steps, measures):
    def step(w, batch):
        return rho * w + jnp.sqrt(1 - rho**2) * jax.random.normal(batch.key, w.shape)

    dynamics = pathjax.map_dynamics(step)
    members = ensemble(dynamics, jax.random.normal(jax.random.key(1), (size,)), jax.random.key(0), num_seeds=1)
    return pathjax.rollout(dynamics, members, jnp.zeros(8), schedule(num_steps), measures).records


@pytest.mark.slow
def test_memory_of_an_autoregressive_process_matches_its_closed_form():
    rho, size = 0.9, 5_000
    records = autoregressive(
        rho,
        size,
        60,
        [obs.weight_autocorrelation((0, 10), every=1), obs.weight_projections(jax.random.key(3), 200, every=1)],
    )
    times, error = np.arange(61), 4 / size**0.5
    for a, anchor in enumerate((0, 10)):
        correlation, displacement, growth = (
            records[name][anchor:, 0, a] for name in ("autocorrelation", "squared_displacement", "norm_growth")
        )
        expected = rho ** times[: 61 - anchor]
        np.testing.assert_allclose(correlation, expected, atol=error)
        np.testing.assert_allclose(displacement / size, 2 * (1 - expected), atol=3 * error)
        np.testing.assert_allclose(growth, 1, atol=error)
        assert np.isnan(records["squared_displacement"][:anchor, 0, a]).all()
    found = two_time_correlation(records["projections"][:, 0])
    exact = rho ** np.abs(times[:, None] - times)
    deviations = (found.correlation - exact)[np.triu_indices(61, 1)] / found.stderr[np.triu_indices(61, 1)]
    assert 0.5 < np.sqrt((deviations**2).mean()) < 1.6 and np.abs(deviations).max() < 6
    exact = (1 + rho) / (1 - rho) / 2
    np.testing.assert_allclose(
        integrated_time(rho ** np.arange(200)), exact, rtol=np.exp(-5)
    )  # cut off after 5 of them


def test_integrated_times_of_short_series_are_nan():
    assert abs(integrated_time((-0.8) ** np.arange(100.0)) - 1 / 18) < 0.3  # truncated early, because it has no memory
    assert np.isnan(integrated_time(np.ones(10))) and integrated_time([1, 0, 0, 0, 0], every=3) == 1.5


def test_function_autocorrelation_matches_its_definition(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    measure = obs.function_autocorrelation(predict, examples[0], (0, 2), every=2)
    result = pathjax.rollout(dynamics, members, examples, schedule(4, 32), [measure])
    now, then = (np.asarray(predict(trees.index(s.state.params, 4), examples[0])) for s in (result.ensemble, members))
    records = {name: record[-1, 4, 0] for name, record in result.records.items()}
    lengths = [np.linalg.norm(z) for z in (now, then)]
    np.testing.assert_allclose(records["function_autocorrelation"], (now * then).sum() / np.prod(lengths), rtol=1e-5)
    np.testing.assert_allclose(records["squared_function_displacement"], ((now - then) ** 2).sum(1).mean(), rtol=1e-4)
    np.testing.assert_allclose(records["function_norm_growth"], lengths[0] / lengths[1], rtol=1e-5)


@pytest.mark.parametrize("p", [0.5, "inf", None, float("nan")])
def test_invalid_norms_raise(p):
    with pytest.raises(pathjax.InputError, match="p must be 1 or more, or infinity"):
        obs.norm_distance(p)


def test_other_norms_and_angles_match_numpy(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    measures = [*(obs.norm_distance(p) for p in (1, 3, float("inf"))), obs.weight_angle()]
    records = pathjax.rollout(dynamics, members, examples, schedule(1, 32), measures).records
    points = flat(members.state.params)
    for p, name in ((1, "p1"), (3, "p3"), (np.inf, "pinf")):
        direct = np.linalg.norm(points - points[0], ord=p, axis=1)
        np.testing.assert_allclose(records[f"distance_{name}"][0, 3:], direct[3:], rtol=1e-5)
        total = np.linalg.norm(records[f"leaf_distance_{name}"], ord=p, axis=-1)
        np.testing.assert_allclose(records[f"distance_{name}"], total, rtol=1e-5)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(records["cosine"][0], units @ units[0], rtol=1e-6)
    np.testing.assert_allclose(records["angle"][0, 3:], np.arccos(units[3:] @ units[0]), rtol=1e-4)
    assert (records["angle"][:, 1] < 1e-6).all()


def test_regimes_are_classified_in_order():
    distance = np.array([[1e-7, 1e-3, 0.5, 9.5, np.nan, 1e-3]])
    ratio = np.array([[1.0, 1.02, 0.5, 0.5, 1.0, np.nan]])
    found = regimes(distance, np.array([1e-7]), ratio, np.array([10.0]))
    names = [REGIMES[i] if i >= 0 else "unknown" for i in found[0]]
    assert names == [*REGIMES[:2], *REGIMES[2:], "unknown", "unknown"]
    alone = regimes(distance, np.array([1e-7]), ratio, np.array([np.nan]))
    assert alone[0, 3] == 2
    assert (regimes(distance, np.array([np.nan]), ratio, np.array([10.0])) == -1).all()
