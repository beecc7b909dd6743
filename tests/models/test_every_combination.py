"""Each network with each optimizer and parametrization: it learns, looped or vmapped, with finite tangents."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.core import trees
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.models import MODELS, PARAMETRIZATIONS, Parametrization, Weights, learning_rate_factors, named_model
from pathjax.models.registry import Settings
from pathjax.training.optimizers import OPTIMIZERS, UPDATE_KIND, named_optimizer
from pathjax.training.transformations import with_rates

CLASSES, TOKENS, NUM = 3, 7, 12
WIDTHS = {
    "mlp": (16, 16),
    "cnn": (8, 8),
    "resnet": (8,),
    "vit": (8,),
    "text_classifier": (16, 16),
    "transformer": (8,),
}
RATES = {"sgd": 0.1, "nesterov": 0.02, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.003, "lion": 0.003, "muon": 0.02}


def task(name):
    """Inputs and labels of a small data set that the network can memorize."""
    rng = np.random.default_rng(0)
    if name == "transformer":
        tokens = rng.integers(TOKENS, size=(NUM, 6))
        return jnp.array(tokens[:, :-1]), jnp.array(tokens[:, 1:])
    inputs = rng.integers(1, TOKENS, (NUM, 5)) if name == "text_classifier" else rng.normal(size=(NUM, 4, 4, 1))
    return jnp.array(inputs, None if name == "text_classifier" else jnp.float32), jnp.arange(NUM) % CLASSES


@functools.cache
def network(name, parametrization):
    inputs, labels = task(name)
    weights = Weights(parametrization=Parametrization(parametrization, 0.5, base_width=4))
    settings = Settings(WIDTHS[name], "gelu", weights, num_heads=2, patch_size=2)
    tokens = TOKENS if name in ("text_classifier", "transformer") else None
    model = named_model(name, settings, inputs.shape[1:], labels.shape[1:], CLASSES, tokens)
    return model, (inputs, labels)


def trees_as(dtype, tree):
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)


def training_dynamics(model, optimizer):
    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, examples[1]))

    return pathjax.training_dynamics(loss_fn, optimizer)


@functools.cache
def starts(name, parametrization):
    """Weights of three members; the initialization, common to all optimizers, is compiled once."""
    model, examples = network(name, parametrization)
    init = jit_fast_compile(jax.vmap(lambda key: model.init(key, examples[0])["params"]))
    return trees_as(np.float64, init(jax.random.split(jax.random.key(0), 3)))


def combinations():
    """All combinations; the fast ones contain each network, each optimizer and each parametrization."""
    for i, name in enumerate(sorted(MODELS)):
        for j, optimizer in enumerate(sorted(OPTIMIZERS)):
            for k, parametrization in enumerate(PARAMETRIZATIONS):
                is_fast = k == i % len(PARAMETRIZATIONS) and (i == j or (name == "mlp" and j >= len(MODELS)))
                yield pytest.param(name, optimizer, parametrization, marks=() if is_fast else pytest.mark.slow)


@pytest.mark.parametrize(("name", "optimizer", "parametrization"), combinations())
def test_it_learns_vmapped_as_looped_with_finite_tangents(x64, name, optimizer, parametrization):
    model, examples = network(name, parametrization)
    params, hparams = starts(name, parametrization), {"learning_rate": RATES[optimizer]}
    factors = learning_rate_factors(model, trees.index(params, 0), examples[0], UPDATE_KIND[optimizer])
    dynamics = training_dynamics(model, with_rates(named_optimizer(optimizer, hparams), factors))
    batch = pathjax.Batch(trees_as(np.float64, examples), None, jax.random.key(1))

    def train(params):
        return jax.lax.scan(lambda s, _: dynamics.step(s, batch), dynamics.init(params, hparams), length=20)

    def with_tangent(params):
        (state, info), (tangent, _) = jax.jvp(train, (params,), (jax.tree.map(jnp.ones_like, params),))
        return state.params, tangent.params

    @jit_fast_compile
    def everything(params):
        together, info = jax.vmap(train)(params)
        return info.loss, together.params, *jax.lax.map(with_tangent, params)

    losses, together, alone, tangents = everything(params)
    assert (losses[:, -1] < losses[:, 0]).all(), losses[:, ::5]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9), together, alone)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tangents))


def test_the_fast_combinations_contain_everything():
    fast = [case.values for case in combinations() if not case.marks]
    for a, factor in enumerate((MODELS, OPTIMIZERS, PARAMETRIZATIONS)):
        assert {case[a] for case in fast} == set(factor)
