"""Training and other maps as dynamical systems."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from pathjax.core import trees
from pathjax.core.calls import call, check_same_kind
from pathjax.core.errors import require
from pathjax.core.networks import as_network
from pathjax.core.types import Batch, Dynamics, Network, PyTree, State, StepInfo
from pathjax.training.hyperparameters import as_hyperparameters
from pathjax.training.loss import Loss, key_of_noise
from pathjax.training.microbatches import in_microbatches
from pathjax.training.network_checks import check_network
from pathjax.training.optimizer_calls import EXPECTED, build_optimizer, start_optimizer, update_weights


def training_dynamics(
    loss_fn: Callable,
    optimizer: optax.GradientTransformation | Callable,
    *,
    model_state: bool = False,
    stochastic: bool = False,
    hparams_in_loss: bool = False,
    microbatch: int | None = None,
) -> Dynamics:
    """Returns the map of one training step.

    Args:
        loss_fn: a pure function `loss_fn(params, [model_state,] examples, [key,] [hparams])`; the flags below say which
            of the arguments in brackets it takes. It is differentiated with respect to the float leaves of params;
            other leaves stay unchanged. It returns either the batch's mean loss, shape (), or the loss of each example,
            shape (B,). The step averages the latter with the schedule's weights w, (1/B) sum_i w_i loss_i, so that
            weights of 1 give the plain mean.
        optimizer: an optax optimizer, or a function from a dict of hyperparameters to one. With a function,
            hyperparameters are leaves of the state: traced, swept by vmap, perturbed and differentiated like weights.
            It gets `value`, `grad`, `value_fn` and `grad_fn` of the batch, as `optax.lbfgs`, `optax.polyak_sgd` and
            `optax.contrib.reduce_on_plateau` need them.
        model_state: whether the model carries a state beside its weights (running statistics, a memory). `loss_fn`
            then returns (loss, new_model_state), and ensembles start from a `pathjax.Network`.
        stochastic: whether `loss_fn` takes the step's key. It is the same for all members, or each member's own in
            ensembles `with_noise`.
        hparams_in_loss: whether `loss_fn` takes the dict of hyperparameters as its last argument. Regularization
            strengths, label smoothing and so on are then leaves of the state too.
        microbatch: number of examples per gradient; the step sums the gradients of all microbatches. Choose it such
            that a microbatch fits into a cache or memory; None: the whole batch. The step is the same up to rounding,
            except that a stochastic loss gets a different key for each microbatch, and a model's state passes through
            one microbatch after the other.

    Returns:
        Dynamics: `init(params, hparams)` and `step(state, batch)`. Weights, optimizer state and the model's state keep
        their types, leaf by leaf; hyperparameters are floats of at least 32 bits.

    Raises:
        InputError: when traced, if a function fails or returns something else, if there are example weights but
            `loss_fn` returns a scalar, or if the batch size is not a multiple of `microbatch`; at `init`, if weights
            cannot be trained (see `pathjax.training.network_checks`).

    >>> quadratic = training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"]))
    >>> state = quadratic.init(jnp.ones(2), {"learning_rate": 0.1})
    >>> after, info = quadratic.step(state, Batch(None, None, jax.random.key(0)))
    >>> after.params
    Array([0.9, 0.9], dtype=float32)
    """
    require(callable(loss_fn), f"loss_fn must be a function, not of type {type(loss_fn).__name__}")
    is_optimizer = callable(optimizer) or isinstance(optimizer, optax.GradientTransformation)
    require(is_optimizer, f"optimizer must be {EXPECTED}, not of type {type(optimizer).__name__}")
    loss = Loss(loss_fn, model_state, stochastic, hparams_in_loss)

    def init(params: PyTree, hparams: dict) -> State:
        network = as_network(params)
        check_network(network, model_state)
        hparams = as_hyperparameters(hparams, network.params)
        weights, _ = trees.split_floats(network.params)
        opt_state = start_optimizer(build_optimizer(optimizer, hparams), weights)
        start = jnp.zeros((), jnp.int32)
        return State(network.params, opt_state, hparams, start, model_state=network.model_state)

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        weights, others = trees.split_floats(state.params)
        message = "members have noise of their own (with_noise), but the loss takes no key: set stochastic=True"
        require(stochastic or state.noise is None, message)
        key = key_of_noise(batch.key, state.noise)

        def loss_at(weights, model_state, batch, key):
            network = Network(trees.merge(weights, others), model_state)
            return loss.of_batch(network, batch, key, state.hparams)

        def gradient(model_state, batch, key):
            (value, after), gradients = jax.value_and_grad(loss_at, has_aux=True)(weights, model_state, batch, key)
            return (value, gradients), after

        def value_fn(weights):
            mean = in_microbatches(functools.partial(loss_at, weights), microbatch)
            return mean(state.model_state, batch, key)[0]

        (value, gradients), after = in_microbatches(gradient, microbatch)(state.model_state, batch, key)
        made = build_optimizer(optimizer, state.hparams)
        weights, opt_state = update_weights(made, gradients, state.opt_state, weights, value, value_fn)
        params = trees.merge(weights, others)
        moved = state._replace(params=params, opt_state=opt_state, step=state.step + 1, model_state=after)
        return moved, StepInfo(value, gradients)

    return Dynamics(init, step)


def map_dynamics(fn: Callable[[PyTree, Batch], PyTree]) -> Dynamics:
    """Wraps any map x -> fn(x, batch) as Dynamics with loss 0.

    Args:
        fn: a pure function `fn(x, batch) -> x` that preserves shapes and types.

    Returns:
        Dynamics whose state's `params` are x.

    >>> logistic = map_dynamics(lambda x, batch: 4 * x * (1 - x))
    >>> after, _ = logistic.step(logistic.init(jnp.float32(0.5), {}), Batch(None, None, jax.random.key(0)))
    >>> float(after.params)
    1.0
    """

    def init(params, hparams):
        hparams = as_hyperparameters(hparams, params)
        return State(params=params, opt_state=(), hparams=hparams, step=jnp.zeros((), jnp.int32))

    def step(state, batch):
        batch = batch._replace(key=key_of_noise(batch.key, state.noise))
        moved = call("fn(x, batch)", "pass a function that returns the next x", fn, state.params, batch)
        check_same_kind("fn changed x", state.params, moved)
        return state._replace(params=moved, step=state.step + 1), StepInfo(jnp.zeros(()))

    return Dynamics(init, step)
