"""The networks that are timed, on random data of MNIST's shape."""

import jax
import jax.numpy as jnp
import optax

import pathjax
from pathjax.models import MLP

NUM_EXAMPLES = 4096


def momentum_mlp(*widths: int):
    """MLP 784-widths-10 with ReLU, SGD with momentum: dynamics, params, hparams, examples."""
    key = jax.random.key(0)
    model = MLP(widths, 10, "relu")
    inputs = jax.random.uniform(key, (NUM_EXAMPLES, 784))
    labels = jax.random.randint(key, (NUM_EXAMPLES,), 0, 10)

    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["learning_rate"], h["momentum"]))
    params = model.init(key, inputs[:1])["params"]
    hparams = {"learning_rate": jnp.float32(0.01), "momentum": jnp.float32(0.9)}
    return dynamics, params, hparams, (inputs, labels)


def members_of(num: int, dynamics, params, hparams) -> pathjax.Ensemble:
    """An ensemble of so many members, the baseline and the controls among them."""
    ensemble = pathjax.make_ensemble(
        dynamics,
        params,
        pathjax.on_sphere(),
        jax.random.key(0),
        epsilons=[1e-2],
        num_seeds=max(1, num - 3),
        hparams=hparams,
    )
    return jax.tree.map(lambda a: a[:num], ensemble)
