"""Networks with one output, against the logistic loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.configs import nudge
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.task import make_task
from pathjax.models import MLP, LogOdds


def test_the_cross_entropy_is_the_logistic_loss_and_the_weights_are_the_models():
    inputs = jax.random.normal(jax.random.key(0), (7, 2))
    inner = MLP((5,), 1, "relu")
    variables = LogOdds(inner).init(jax.random.key(1), inputs)
    z = inner.apply(variables, inputs)[:, 0]
    labels = jnp.arange(7) % 2
    found = optax.softmax_cross_entropy_with_integer_labels(LogOdds(inner).apply(variables, inputs), labels)
    np.testing.assert_allclose(found, np.log1p(np.exp(-np.where(labels == 1, z, -z))), rtol=1e-5)


def test_a_config_names_it():
    config = nudge.get_config()
    config.model.widths = (6, 5)
    task = make_task(parse_settings(config))
    params = task.model.init(jax.random.key(0), task.dataset.train[0][:1])["params"]
    assert {leaf.shape for leaf in jax.tree.leaves(params)} == {(6, 2), (6,), (5, 6), (5,), (1, 5), (1,)}
    assert task.predict(params, task.dataset.train[0][:3]).shape == (3, 2)
    config.data.name = "gaussian_mixture"
    with pytest.raises(pathjax.InputError, match="model.log_odds is for two classes, not 4"):
        make_task(parse_settings(config))
