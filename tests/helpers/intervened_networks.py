"""A network in the middle of training, for tests of interventions."""

import jax
import optax

import pathjax
from helpers.toy_maps import network, predict, schedule
from pathjax.core.types import State
from pathjax.training.schedule import take_batch

PLAN = schedule(8, num_examples=32, batch_size=8)


def loss_fn(params, examples):
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0], jax.nn.relu), examples[1])


def relu_predict(params, inputs):
    return predict(params, inputs, jax.nn.relu)


def build(hparams):
    return optax.sgd(hparams["learning_rate"], momentum=0.5)


def in_training():
    """Returns dynamics with a learning rate as a leaf, a state in the middle of training, and the examples."""
    _, params, examples = network(jax.random.key(0))
    dynamics = pathjax.training_dynamics(loss_fn, build)
    state = dynamics.init(params, {"learning_rate": 0.3})
    step_fn, rows = pathjax.scheduled_step(dynamics, examples, PLAN)
    for t in range(5):
        state = step_fn(state, jax.tree.map(lambda a, t=t: a[t], rows))
    return dynamics, state, examples


def batch_of(examples, t=5):
    at = State(params=(), opt_state=(), hparams={}, step=t)
    return take_batch(examples, PLAN.key, at, (PLAN.indices[t], None))


def grid(dynamics, problem, name, **changes):
    occasions = pathjax.InterventionGrid(**{"at_steps": [0, 3, 6], "epsilons": [0.1, 0.2], "num_seeds": 2} | changes)
    params, hparams = network(jax.random.key(0))[1], {"learning_rate": 0.3}
    return pathjax.intervened_ensemble(jax.random.key(5), dynamics, params, name, occasions, hparams=hparams)
