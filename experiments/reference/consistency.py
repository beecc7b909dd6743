"""Computes the same spectrum in different ways, which must agree."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from pathjax.core.trees import merge
from pathjax.experiments.reference.rows import Row, exactly
from pathjax.experiments.reference.spectra import spectrum
from pathjax.experiments.reference.training import network
from pathjax.lyapunov import join_results
from pathjax.tangents.propagate import random_tangents, split_moving
from pathjax.theory import systems


def _difference(a, b) -> float:
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b))))


def ways_of_computing(long: bool) -> list[Row]:
    """momentum on a tanh network, k = 6: one way against another"""
    step_fn, state, rows = network(optax.sgd(0.2, 0.9), num_steps=120)
    one = spectrum(step_fn, state, rows, k=6)

    def off(what, other, tolerance=1e-10):
        return exactly(what, _difference(one.exponents, other.exponents), 0, tolerance)

    first = spectrum(step_fn, state, rows, k=6, length=50)
    rest = jax.tree.map(lambda a: a[50:], rows)
    second = spectrum(step_fn, first.carry.state, rest, k=6, tangents=first.carry.tangents)
    in_chunks = spectrum(step_fn, state, rows, k=6, tangent_chunk=4)
    ragged = spectrum(step_fn, state, rows, k=6, renormalize_every=7)
    return [
        off("renormalize_every=5 against 1", spectrum(step_fn, state, rows, k=6, renormalize_every=5)),
        off("renormalize_every=7, with a shorter last block", ragged),
        off("resumed after 50 steps", join_results(first, second)),
        off("four tangents at a time", in_chunks),
        off("jit", jax.jit(lambda state: spectrum(step_fn, state, rows, k=6))(state)),
        off("ravelled", _raveled(step_fn, state, rows)),
        off("Householder", spectrum(step_fn, state, rows, k=6, method="householder")),
    ]


def _raveled(step_fn, state, rows):
    """Computes the spectrum of the same problem as a map of one flat vector, from the same tangents."""
    moving, rest = split_moving(state)
    flat, unravel = ravel_pytree(moving)
    tangents = jax.vmap(lambda t: ravel_pytree(t)[0])(random_tangents(jax.random.key(0), state, 6))

    def step(carry, row):
        flat, step = carry
        after, after_rest = split_moving(step_fn(merge(unravel(flat), rest)._replace(step=step), row))
        return ravel_pytree(after)[0], after_rest.step

    return spectrum(step, (flat, state.step), rows, k=6, tangents=(tangents, None))


def eager_and_vmapped(long: bool) -> list[Row]:
    """Henon: eager, vmapped starts, arrays and dictionaries"""
    starts = jnp.array([[0.1, 0.1], [0.0, 0.2], [-0.3, 0.1]])

    def of(start, length=100):
        return spectrum(systems.henon, {"x": start[0], "y": start[1]}, k=2, length=length)

    vmapped = jax.vmap(of)(starts).exponents
    alone = jnp.stack([of(start).exponents for start in starts])
    with jax.disable_jit():
        eager = of(starts[0], 20).exponents

    def as_array(state):
        after = systems.henon({"x": state[0], "y": state[1]})
        return jnp.stack([after["x"], after["y"]])

    drawn = jax.random.normal(jax.random.key(1), (2, 2))
    array = spectrum(as_array, starts[0], k=2, length=100, tangents=drawn)
    tree = spectrum(
        systems.henon,
        {"x": starts[0, 0], "y": starts[0, 1]},
        k=2,
        length=100,
        tangents={"x": drawn[:, 0], "y": drawn[:, 1]},
    )
    return [
        exactly("vmapped starts against one by one", _difference(vmapped, alone), 0, 1e-10),
        exactly("eager against jit", _difference(eager, of(starts[0], 20).exponents), 0, 1e-10),
        exactly("array against dictionary", _difference(array.exponents, tree.exponents), 0, 1e-10),
    ]


def cholesky_and_householder(long: bool) -> list[Row]:
    """Cholesky against Householder, largest difference in a block"""
    found = []
    for dtype, tolerance in ((jnp.float64, 1e-12), (jnp.float32, 1e-5)):
        with jax.enable_x64(dtype == jnp.float64):
            step_fn, state, rows = network(optax.sgd(0.2, 0.9), num_steps=100)
            one, other = (spectrum(step_fn, state, rows, k=8, method=method) for method in ("cholesky", "householder"))
        found.append(exactly(np.dtype(dtype).name, _difference(one.log_growth, other.log_growth), 0, tolerance))
    return found


def against_lyapax(long: bool) -> list[Row]:
    """Lorenz, in the same steps and from the same tangents, against lyapax"""
    if importlib.util.find_spec("lyapax") is None:
        return []
    import lyapax

    step = systems.runge_kutta(systems.lorenz, 0.01)
    before = lyapax.lyapunov_spectrum(step, jnp.ones(3), dt=0.01, n_steps=1000, renorm_every=5).checkpoint
    after = lyapax.lyapunov_spectrum(step, jnp.ones(3), dt=0.01, n_steps=1000, renorm_every=5, resume=before).checkpoint
    ours = spectrum(step, before.state, k=3, length=1000, renormalize_every=5, dt=0.01, tangents=before.Y.T)
    expected = (after.cum_log_growth - before.cum_log_growth) / 10
    return [exactly("largest difference", _difference(ours.exponents, jnp.sort(expected)[::-1]), 0, 1e-10)]


CASES = [ways_of_computing, eager_and_vmapped, cholesky_and_householder, against_lyapax]
