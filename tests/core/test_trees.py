import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathjax.core import trees


@pytest.mark.parametrize(
    "shape",
    [
        (3,),
        (784, 100),
        (100, 10),
        (4099,),
        (8191,),
        (64, 3, 3, 64),
        (131, 500),
        (3, 3, 100, 70),
        (40_009,),
        (400, 400),
        (15, 15, 15, 16),
    ],
)
def test_sums_and_distances_agree_with_float64(shape, key):
    x, y = jax.random.normal(key, (2, *shape))
    exact = np.asarray(x, np.float64) - np.asarray(y, np.float64)
    np.testing.assert_allclose(jax.jit(trees.squared_distances)([x], [y])[0], np.sum(exact**2), rtol=3e-6)
    np.testing.assert_allclose(trees.squared_norms([x])[0], np.sum(np.asarray(x, np.float64) ** 2), rtol=3e-6)
    np.testing.assert_allclose(trees.dot([x], [x]), np.sum(np.asarray(x, np.float64) ** 2), rtol=3e-6)


def test_split_and_merge_keep_counters_keys_and_floats(key):
    tree = {"w": jnp.ones(3), "count": jnp.arange(2), "key": key, "mask": jnp.array([True])}
    floats, others = trees.split_floats(tree)
    assert [name for name in tree if floats[name] is not None] == ["w"]
    merged = trees.merge(floats, others)
    assert jax.tree.structure(merged) == jax.tree.structure(tree)
    assert merged["count"].dtype == jnp.int32 and merged["key"] is key


def test_random_normal_is_standard_and_differs_between_leaves(key):
    drawn = trees.random_normal_like(key, {"a": jnp.zeros((100, 100)), "b": jnp.zeros((100, 100))})
    assert not np.array_equal(drawn["a"], drawn["b"])
    np.testing.assert_allclose([jnp.mean(drawn["a"]), jnp.std(drawn["a"])], [0, 1], atol=0.03)
