"""A small network with batch normalization and dropout: a model that carries a state."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen

import pathjax
from pathjax.core.types import Network
from pathjax.symmetry import infer_spec
from pathjax.training.schedule import scheduled_step

KEY = jax.random.key(0)
INPUTS, LABELS = jax.random.normal(KEY, (40, 5)), jax.random.randint(KEY, (40,), 0, 3)
SCHEDULE = pathjax.batch_schedule(KEY, 40, 10, num_steps=12)


class Normalized(linen.Module):
    """Two hidden layers with batch normalization, and dropout if `rate` is not 0."""

    rate: float = 0.0

    @linen.compact
    def __call__(self, x, train):
        for width in (8, 6):
            x = linen.BatchNorm(use_running_average=not train, momentum=0.8)(linen.Dense(width)(x))
            x = linen.Dropout(self.rate, deterministic=not train)(jnp.tanh(x))
        return linen.Dense(3)(x)


def cross_entropy(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y)


def loss_of(rate=0.0):
    """The loss of each example, of a network with a state that draws noise."""
    net = Normalized(rate)

    def loss_fn(params, stats, examples, key, hparams):
        given = {"params": params, "batch_stats": stats}
        logits, new = net.apply(given, examples[0], True, mutable=["batch_stats"], rngs={"dropout": key})
        return cross_entropy(logits, examples[1]) + hparams["decay"] * 0, new["batch_stats"]

    return loss_fn


@functools.cache
def model(rate=0.0):
    """Dynamics, the network at the start, and the prediction."""
    net = Normalized(rate)
    variables = jax.jit(lambda key: net.init(key, INPUTS, False))(KEY)
    flags = {"model_state": True, "stochastic": True, "hparams_in_loss": True}
    dynamics = pathjax.training_dynamics(loss_of(rate), optax.sgd(0.2, momentum=0.5), **flags)
    predict = lambda params, stats, x: net.apply({"params": params, "batch_stats": stats}, x, False)  # noqa: E731
    recompute = lambda params, stats, x: after_batches(net, params, stats, x)  # noqa: E731
    return dynamics, Network(variables["params"], variables["batch_stats"]), predict, recompute


def after_batches(net, params, stats, x):
    def update(_, stats):
        return net.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])[1]["batch_stats"]

    return jax.lax.fori_loop(0, 100, update, stats)


def ensemble(dynamics, start, **options):
    options = {"epsilons": [0.05], "num_seeds": 2, "hparams": {"decay": 0.0}} | options
    return pathjax.perturbed_ensemble(KEY, dynamics, start, pathjax.on_sphere(), **options)


@functools.cache
def trained():
    """Two BatchNorm networks at the end of training, from other weights."""
    dynamics, start, predict, recompute = model()
    other = jax.jit(lambda key: Normalized().init(key, INPUTS, False))(jax.random.key(7))
    pair = [start, Network(other["params"], other["batch_stats"])]
    schedule = pathjax.batch_schedule(KEY, 40, 10, num_steps=100)
    step_fn, rows = scheduled_step(dynamics, (INPUTS, LABELS), schedule)
    run = jax.jit(lambda s: jax.lax.scan(lambda s, row: (step_fn(s, row), None), s, rows)[0])
    states = [run(dynamics.init(one, {"decay": 0.0})) for one in pair]
    return [Network(one.params, one.model_state) for one in states]


def spec_of(start):
    return infer_spec(model()[2], start, INPUTS[:2])


def in_double(tree):
    return jax.tree.map(lambda a: a.astype(np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree)
