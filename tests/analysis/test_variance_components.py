"""Variance components of crossed designs whose components are known."""

import numpy as np
import pytest

import pathjax
from pathjax.analysis.variance_components import variance_components


def drawn(rng, sizes, variances, dims=()):
    num_i, num_s, num_p = sizes
    shapes = ((num_i, 1, 1), (1, num_s, 1), (num_i, num_s, 1), sizes)
    return sum(v**0.5 * rng.normal(size=(*shape, *dims)) for v, shape in zip(variances, shapes, strict=True))


DESIGNS = [
    ((5, 4, 3), (1.0, 2.0, 0.5, 0.3), ()),
    ((4, 4, 2), (0.1, 5.0, 0.5, 0.3), ()),
    ((8, 8, 2), (1.0, 1.0, 1.0, 1.0), ()),
    ((3, 6, 2), (1.0, 0.0, 0.0, 1.0), ()),
    ((4, 4, 2), (1.0, 2.0, 0.5, 0.3), (20,)),
    ((6, 6, 2), (0.0, 0.0, 0.0, 1.0), ()),
    ((6, 6, 2), (0.01, 0.01, 0.0, 1.0), (50,)),
    ((6, 6, 2), (0.0, 0.0, 1.0, 0.01), ()),
    ((6, 6, 2), (0.0, 1.0, 0.0, 0.01), ()),
    ((2, 2, 2), (1.0, 1.0, 1.0, 1.0), ()),
]


@pytest.mark.parametrize(("sizes", "variances", "dims"), DESIGNS)
def test_intervals_have_about_95_percent_coverage(sizes, variances, dims):
    rng, truth = np.random.default_rng(1), np.array(variances) / sum(variances)
    covered, shares = np.zeros(4), []
    for _ in range(200):
        found = variance_components(drawn(rng, sizes, variances, dims))
        covered += (found.low <= truth) & (truth <= found.high)
        shares.append(found.share)
    inside = (truth > 0) & (truth < 1)  # for a share of 0 or 1 one bound cannot miss
    assert (covered >= 180).all() and (covered[inside] <= 198).all(), covered
    np.testing.assert_allclose(np.mean(shares, axis=0), truth, atol=0.15)


def test_components_follow_from_the_mean_squares():
    y = drawn(np.random.default_rng(0), (3, 4, 2), (1.0, 2.0, 0.5, 0.3))
    cells, mean = y.mean(2), y.mean()
    within = ((y - cells[..., None]) ** 2).sum() / 12
    both = 2 * ((cells - cells.mean(1, keepdims=True) - cells.mean(0) + mean) ** 2).sum() / 6
    of_i = 8 * ((cells.mean(1) - mean) ** 2).sum() / 2
    found = variance_components(y).variance
    np.testing.assert_allclose(found[3], within)
    np.testing.assert_allclose(found[2], max(0, (both - within) / 2))
    np.testing.assert_allclose(found[0], max(0, (of_i - both) / 8))


def test_many_dimensions_are_summed_and_narrow_the_intervals():
    rng = np.random.default_rng(0)
    wide = variance_components(drawn(rng, (4, 4, 2), (1.0, 2.0, 0.5, 0.3), (500,)))
    np.testing.assert_allclose(wide.variance / 500, (1.0, 2.0, 0.5, 0.3), rtol=0.15)
    narrow = variance_components(drawn(rng, (4, 4, 2), (1.0, 2.0, 0.5, 0.3)))
    assert ((wide.high - wide.low) < (narrow.high - narrow.low)).all()


def test_without_repetitions_the_rest_includes_the_interaction():
    found = variance_components(drawn(np.random.default_rng(0), (6, 6, 1), (1.0, 1.0, 0.0, 0.5)))
    assert np.isnan([found.share[2], found.low[2]]).all() and np.isfinite(found.share[[0, 1, 3]]).all()
    np.testing.assert_allclose(found.share[[0, 1, 3]].sum(), 1)


WRONG = [np.zeros((1, 4, 2)), np.zeros((4, 4)), np.full((3, 3, 2), np.nan), np.zeros((3, 3, 0))]


@pytest.mark.parametrize("wrong", WRONG)
def test_unusable_designs_are_rejected(wrong):
    with pytest.raises(pathjax.InputError, match="expected finite values"):
        variance_components(wrong)
