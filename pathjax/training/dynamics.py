"""Training and other maps as dynamical systems."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from pathjax.core import trees
from pathjax.core.errors import InputError, require
from pathjax.core.types import Batch, Dynamics, PyTree, State, StepInfo


def training_dynamics(
    loss_fn: Callable,
    optimizer: optax.GradientTransformation | Callable,
    *,
    stochastic: bool = False,
    hparams_in_loss: bool = False,
    microbatch: int | None = None,
) -> Dynamics:
    """Returns the map of one training step.

    Args:
        loss_fn: a pure function `loss_fn(params, examples)`, or `loss_fn(params, examples, key)` if `stochastic`. It is
            differentiated with respect to the float leaves of params; other leaves stay unchanged. It returns either
            the batch's mean loss, shape (), or the loss of each example, shape (B,). The step averages the latter
            with the schedule's weights w, (1/B) sum_i w_i loss_i, so that weights of 1 give the plain mean.
        optimizer: an optax optimizer, or a function from a dict of hyperparameters to one. With a function,
            hyperparameters are leaves of the state: traced, swept by vmap, perturbed and differentiated like weights.
        stochastic: whether `loss_fn` takes the step's key (the same for all members).
        hparams_in_loss: whether `loss_fn` takes the dict of hyperparameters as its last argument. Regularization
            strengths, label smoothing and so on are then leaves of the state too.
        microbatch: number of examples per gradient; the step sums the gradients of all microbatches. Choose it such
            that a microbatch fits into a cache or memory; None: the whole batch. The step is the same up to rounding,
            except that a stochastic loss gets a different key for each microbatch.

    Returns:
        Dynamics: `init(params, hparams)` and `step(state, batch)`.

    Raises:
        InputError: when traced, if there are example weights but `loss_fn` returns a scalar, or if the batch size is
            not a multiple of `microbatch`.

    >>> quadratic = training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"]))
    >>> state = quadratic.init(jnp.ones(2), {"learning_rate": 0.1})
    >>> after, info = quadratic.step(state, Batch(None, None, jax.random.key(0)))
    >>> after.params
    Array([0.9, 0.9], dtype=float32)
    """
    require(callable(loss_fn), f"loss_fn must be a function, not of type {type(loss_fn).__name__}")
    is_optimizer = callable(optimizer) or isinstance(optimizer, optax.GradientTransformation)
    expected = "an optax optimizer, or a function from hyperparameters to one"
    require(is_optimizer, f"optimizer must be {expected}, not of type {type(optimizer).__name__}")

    def make_optimizer(hparams):
        return optimizer(hparams) if callable(optimizer) else optimizer

    def gradient(hparams: dict, params: PyTree, batch: Batch):
        floats, others = trees.split_floats(params)
        more = ((batch.key,) if stochastic else ()) + ((hparams,) if hparams_in_loss else ())

        def loss_of(floats):
            return _mean_loss(loss_fn(trees.merge(floats, others), batch.examples, *more), batch.weights)

        return jax.value_and_grad(loss_of)(floats)

    def init(params: PyTree, hparams: dict) -> State:
        hparams = trees.drop_weak_types(hparams, trees.float_type(params))
        floats, _ = trees.split_floats(params)
        opt_state = make_optimizer(hparams).init(floats)
        return State(params=params, opt_state=opt_state, hparams=hparams, step=jnp.zeros((), jnp.int32))

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        floats, others = trees.split_floats(state.params)
        gradient_of_batch = _in_microbatches(functools.partial(gradient, state.hparams), microbatch)
        loss, gradients = gradient_of_batch(state.params, batch)
        updates, opt_state = make_optimizer(state.hparams).update(gradients, state.opt_state, floats)
        params = trees.merge(optax.apply_updates(floats, updates), others)
        return state._replace(params=params, opt_state=opt_state, step=state.step + 1), StepInfo(loss)

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
        hparams = trees.drop_weak_types(hparams, trees.float_type(params))
        return State(params=params, opt_state=(), hparams=hparams, step=jnp.zeros((), jnp.int32))

    def step(state, batch):
        return state._replace(params=fn(state.params, batch), step=state.step + 1), StepInfo(jnp.zeros(()))

    return Dynamics(init, step)


def _in_microbatches(gradient: Callable, size: int | None) -> Callable:
    """Averages a gradient (and loss) over microbatches of this size, one after the other."""
    if size is None:
        return gradient

    def mean(params: PyTree, batch: Batch):
        num_examples = len(jax.tree.leaves(batch.examples)[0])
        require(
            size >= 1 and num_examples % size == 0,
            f"microbatch {size} does not divide the batch of {num_examples} examples: choose a divisor",
        )
        num = num_examples // size
        rows = jax.tree.map(lambda a: a.reshape(num, size, *a.shape[1:]), (batch.examples, batch.weights))
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(gradient, params, batch))

        def add(total, microbatch):
            i, (examples, weights) = microbatch
            term = gradient(params, Batch(examples, weights, jax.random.fold_in(batch.key, i)))
            return jax.tree.map(lambda a, b: a + b / num, total, term), None

        return jax.lax.scan(add, zeros, (jnp.arange(num), rows))[0]

    return mean


def _mean_loss(loss, weights):
    loss = jnp.asarray(loss)
    is_float = jnp.issubdtype(loss.dtype, jnp.floating)
    require(is_float, f"loss_fn returned {loss.dtype}, which has no gradient: return floating-point losses")
    if loss.ndim == 0 and weights is None:
        return loss
    if loss.ndim != 1:
        raise InputError(
            f"loss_fn returned shape {loss.shape}: expected (), or (batch,) with example weights; "
            "return one loss for each example"
        )
    return jnp.mean(loss if weights is None else weights * loss)
