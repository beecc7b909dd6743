import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathjax.tangents.qr import orthonormalize


def as_matrix(tree):
    return np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(tree)], axis=1).T


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e5, 1e7])
def test_qr_of_a_pytree_is_a_qr(condition, key):
    keys = jax.random.split(key, 3)
    tree = {"a": jax.random.normal(keys[0], (4, 20, 3)), "b": jax.random.normal(keys[1], (4, 11))}
    # Column 3 is nearly parallel to column 0; lengths differ by orders of magnitude.
    mix = jnp.eye(4).at[0, 3].set(condition) * jnp.array([[1.0, 1e3, 1e-3, 1.0]])
    tree = jax.tree.map(lambda leaf: jnp.einsum("i...,ij->j...", leaf, mix), tree)
    q, r, collapse, _ = jax.jit(orthonormalize)(tree)
    matrix, q_matrix = as_matrix(tree), as_matrix(q)
    np.testing.assert_allclose(q_matrix.T @ q_matrix, np.eye(4), atol=2e-6)
    np.testing.assert_allclose(q_matrix @ r, matrix, atol=1e-5 * np.abs(matrix).max())
    assert np.all(np.diagonal(r) > 0) and np.allclose(np.tril(r, -1), 0)


def test_float64_is_accurate_to_rounding(x64, key):
    tree = {"a": jax.random.normal(key, (5, 40))}
    q, r, _, _ = orthonormalize(tree)
    exact = np.abs(np.diagonal(np.linalg.qr(as_matrix(tree))[1]))
    np.testing.assert_allclose(np.diagonal(r), exact, rtol=1e-12)
    np.testing.assert_allclose(as_matrix(q).T @ as_matrix(q), np.eye(5), atol=1e-14)
