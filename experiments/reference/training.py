"""Training steps: exact laws of heavy ball, and small networks compared with their dense Jacobians."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import pathjax
from pathjax.experiments.lyapunov.dense import dense_log_growth
from pathjax.experiments.reference.rows import Row, exactly, says
from pathjax.tangents.propagate import split_moving
from pathjax.theory import spectra
from pathjax.training.optimizers import named_optimizer


def network(optimizer, sizes=(3, 4, 2), batch_size: int | None = 8, num_steps: int = 100, dead_input: bool = False):
    """Returns step_fn, state and rows of a tanh network on random data. `batch_size` None is the full batch of 32."""
    keys = jax.random.split(jax.random.key(7), 4)
    weights = {"hidden": jax.random.normal(keys[0], sizes[:2]), "out": jax.random.normal(keys[1], sizes[1:])}
    inputs = jax.random.normal(keys[2], (32, sizes[0]))
    labels = jax.random.randint(keys[3], (32,), 0, sizes[2])
    if dead_input:
        inputs = inputs.at[:, 0].set(0)

    def loss_fn(weights, examples):
        x, y = examples
        logits = jnp.tanh(x @ weights["hidden"]) @ weights["out"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    dynamics = pathjax.training_dynamics(loss_fn, optimizer)
    schedule = pathjax.batch_schedule(jax.random.key(8), 32, batch_size or 32, num_steps=num_steps)
    step_fn, rows = pathjax.scheduled_step(dynamics, (inputs, labels), schedule)
    return step_fn, dynamics.init(weights, {}), rows


def _against_dense(what: str, optimizer, tolerance: float = 1e-12, select=None, **kwargs) -> Row:
    step_fn, state, rows = network(optimizer, **kwargs)
    moving, _ = split_moving(state, select)
    flat, unravel = ravel_pytree(moving)
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(len(flat), len(flat))))
    tangents = jax.vmap(unravel)(jnp.asarray(q.T))
    result = pathjax.lyapunov_spectrum(
        jax.random.key(0),
        step_fn,
        state,
        rows,
        k=len(flat),
        options=pathjax.SpectrumOptions(tangents=tangents, select=select),
    )
    dense = dense_log_growth(step_fn, state, rows, q, select)
    return exactly(f"{what}: largest difference in a step", np.max(np.abs(result.log_growth - dense)), 0, tolerance)


def heavy_ball_quadratic(long: bool) -> list[Row]:
    """heavy ball on a quadratic"""
    curvatures, rate, momentum = jnp.array([0.1, 0.2, 30.0]), 0.1, 0.5
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(curvatures * w**2), optax.sgd(rate, momentum))
    schedule = pathjax.batch_schedule(jax.random.key(0), 1, 1, num_steps=4000)
    step_fn, rows = pathjax.scheduled_step(dynamics, jnp.zeros(1), schedule)
    state = dynamics.init(jnp.ones(3), {})
    result = pathjax.lyapunov_spectrum(
        jax.random.key(0), step_fn, state, rows, k=6, options=pathjax.SpectrumOptions(burn_in=3000)
    )
    exact = spectra.heavy_ball(curvatures, rate, momentum)
    oscillating = spectra.heavy_ball([5.0], rate, momentum)
    slow = pathjax.training_dynamics(lambda w, x: 2.5 * jnp.sum(w**2), optax.sgd(rate, momentum))
    step_fn, rows = pathjax.scheduled_step(slow, jnp.zeros(1), schedule)
    pair = pathjax.lyapunov_spectrum(jax.random.key(0), step_fn, slow.init(jnp.ones(1), {}), rows, k=2)
    return [
        exactly("real roots: largest error", np.max(np.abs(result.exponents - exact)), 0, 1e-10),
        exactly("complex pair over 4,000 steps: largest error", np.max(np.abs(pair.exponents - oscillating)), 0, 1e-3),
    ]


def heavy_ball_network(long: bool) -> list[Row]:
    """heavy ball on a tanh network, mini-batches"""
    momentum, num_steps = 0.9, 2500
    step_fn, state, rows = network(optax.sgd(0.1, momentum), num_steps=num_steps)
    num_weights = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    result = pathjax.lyapunov_spectrum(jax.random.key(0), step_fn, state, rows, k=2 * num_weights)
    pathjax.check_exponents(result)
    total = num_weights * math.log(momentum)
    worst = np.max(np.abs(np.cumsum(result.log_growth.sum(axis=1)) / (np.arange(1, num_steps + 1) * total) - 1))
    return [
        exactly("sum over D ln beta - 1, worst of all times", worst, 0, 1e-12),
        exactly("pairing defect at 2,500 steps", pathjax.pairing_defect(result.exponents, momentum), 0, 5e-3),
    ]


def against_dense(long: bool) -> list[Row]:
    """small network, whole spectrum against its dense Jacobian"""
    momentum = optax.sgd(0.3, 0.9)
    adam, rmsprop, adamw = (named_optimizer(name, {"learning_rate": 0.01}) for name in ("adam", "rmsprop", "adamw"))
    rate = {"learning_rate": jnp.array(0.01)}
    return [
        _against_dense("SGD, full batch", optax.sgd(0.3), batch_size=None),
        _against_dense("momentum, full batch", momentum, batch_size=None),
        _against_dense("momentum, mini-batches", momentum),
        _against_dense("momentum, weights alone", momentum, select=lambda name: name.startswith("params")),
        _against_dense("momentum, one layer", momentum, select=lambda name: name == "params/hidden"),
        # Second moments are so much smaller than weights that the factors' condition number is 1e11: two roundings of
        # Householder alone differ by as much.
        _against_dense("RMSProp", rmsprop(rate), 1e-9),
        _against_dense("Adam", adam(rate), 1e-9),
        _against_dense("AdamW", adamw(rate), 1e-9),
    ]


def function_space(long: bool) -> list[Row]:
    """function space: f = a b x, which scaling of a against b leaves as it is"""
    rate, x, y = 0.1, 1.5, 0.8
    start = {"a": jnp.array(0.4), "b": jnp.array(1.1)}
    dynamics = pathjax.training_dynamics(lambda w, e: 0.5 * (w["a"] * w["b"] * x - y) ** 2, optax.sgd(rate))
    schedule = pathjax.batch_schedule(jax.random.key(0), 1, 1, num_steps=1200)
    step_fn, rows = pathjax.scheduled_step(dynamics, jnp.zeros(1), schedule)

    def predict(state):
        return state.params["a"] * state.params["b"] * x

    weights = pathjax.lyapunov_spectrum(
        jax.random.key(0), step_fn, dynamics.init(start, {}), rows, k=2, options=pathjax.SpectrumOptions(burn_in=1000)
    )
    settled = weights.carry.state
    measure = functools.partial(
        pathjax.function_space_spectrum, jax.random.key(0), step_fn, settled, rows, predict=predict, k=1
    )
    function, too_long = measure(length=10, options=pathjax.SpectrumOptions(burn_in=10)), measure(length=200)
    contraction = math.log(abs(1 - rate * x**2 * float(settled.params["a"] ** 2 + settled.params["b"] ** 2)))

    def check_too_long():
        pathjax.check_exponents(too_long)

    return [
        exactly("weights, along the symmetry", weights.exponents[0], 0, 1e-9),
        exactly("weights, across it", weights.exponents[1], contraction, 1e-9),
        exactly("function", function.exponents[0], contraction, 1e-9),
        # Depending on rounding, almost nothing or exactly nothing is left.
        says("where the symmetry hides all else in rounding", check_too_long, "no output sees", "exactly 0"),
    ]


CASES = [heavy_ball_quadratic, heavy_ball_network, against_dense, function_space]
