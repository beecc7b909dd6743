"""Cases in which a spectrum cannot be trusted, and the check must report it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from pathjax.experiments.reference.rows import Row, between, exactly, says
from pathjax.experiments.reference.spectra import spectrum
from pathjax.experiments.reference.training import network
from pathjax.tangents.qr import orthonormalize
from pathjax.theory import systems


def collapse(long: bool) -> list[Row]:
    """50-dimensional linear map, exponents 0, -.5, -1, -1.5, -2, ..., in float32"""
    exact = -0.5 * np.arange(5)
    matrix = systems.with_spectrum(jax.random.key(9), np.concatenate([exact, np.full(45, -3.0)])).astype(jnp.float32)

    def of(renormalize_every):
        start = jnp.zeros(50, jnp.float32)
        return spectrum(
            lambda x: systems.linear(x, matrix),
            start,
            k=5,
            length=1600,
            burn_in=160,
            renormalize_every=renormalize_every,
        )

    good, bad = of(4), of(16)
    return [
        exactly("QR every 4 steps: largest error", np.max(np.abs(good.exponents - exact)), 0, 1e-3),
        says("QR every 4 steps", lambda: pathjax.check_exponents(good)),
        says("QR every 16 steps", lambda: pathjax.check_exponents(bad), "renormalize_every is too long"),
    ]


def ill_conditioned(long: bool) -> list[Row]:
    """tangents of condition 1e5, in float32"""
    mix = jnp.eye(6).at[0, 1:].set(1e5)
    columns = (mix.T @ jax.random.normal(jax.random.key(10), (6, 300))).astype(jnp.float32)
    result = spectrum(lambda x: 0.5 * x, jnp.ones(300, jnp.float32), k=6, length=20, tangents=columns)
    q = orthonormalize(columns).q
    orthogonal = jnp.max(jnp.abs(q @ q.T - jnp.eye(6)))
    return [
        between("fallbacks to Householder", result.num_fallbacks, 1, 1),
        exactly("exponents: largest error", np.max(np.abs(result.exponents - math.log(0.5))), 0, 1e-6),
        exactly("Q'Q - 1, largest element", orthogonal, 0, 1e-5),
    ]


def adam_with_a_dead_input(long: bool) -> list[Row]:
    """Adam with an input that is always 0"""

    def of(optimizer):
        step_fn, state, rows = network(optimizer, dead_input=True)
        return spectrum(step_fn, state, rows, k=4)

    bare, fixed = of(optax.adam(0.01)), of(optax.adam(0.01, eps_root=1e-12))
    return [
        says("without eps_root", lambda: pathjax.check_exponents(bare), "eps_root=1e-12"),
        says("with eps_root", lambda: pathjax.check_exponents(fixed)),
    ]


def divergence(long: bool) -> list[Row]:
    """Henon from outside its basin"""
    result = spectrum(systems.henon, {"x": jnp.array(3.0), "y": jnp.array(3.0)}, k=2, length=100)
    x, y, steps = 3.0, 3.0, 0
    while math.isfinite(x) and math.isfinite(y):
        try:
            x, y, steps = 1 - 1.4 * x**2 + y, 0.3 * x, steps + 1
        except OverflowError:
            x, steps = math.inf, steps + 1
    return [
        exactly("first step that is not finite", result.first_nonfinite, steps, 0),
        says("check", lambda: pathjax.check_exponents(result), "the trajectory diverged"),
    ]


CASES = [collapse, ill_conditioned, adam_with_a_dead_input, divergence]
