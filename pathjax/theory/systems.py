"""Textbook maps and flows as step functions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key


def logistic(x: float | Array, r: float = 4.0) -> float | Array:
    """x' = r x (1 - x).

    >>> logistic(0.5)
    1.0
    """
    return r * x * (1 - x)


def tent(x: float | Array) -> Array:
    """x' = 2x below 1/2, 2 - 2x above. In binary floats it reaches 0 within about fifty steps.

    >>> float(tent(0.75))
    0.5
    """
    return jnp.where(x < 0.5, 2 * x, 2 - 2 * x)


def baker(state: tuple[float | Array, float | Array]) -> tuple[float | Array, float | Array]:
    """(x, y)' = (2x mod 1, (y + floor(2x)) / 2).

    >>> [float(v) for v in baker((0.75, 0.5))]
    [0.5, 0.75]
    """
    x, y = state
    return 2 * x % 1, (y + jnp.floor(2 * x)) / 2


def cat(state: Float[Array, "2"]) -> Float[Array, "2"]:
    """Arnold's cat map on the torus.

    >>> cat(jnp.array([0.25, 0.25]))
    Array([0.75, 0.5 ], dtype=float32)
    """
    x, y = state
    return jnp.stack([2 * x + y, x + y]) % 1


def henon(state: dict, a: float = 1.4, b: float = 0.3) -> dict:
    """x' = 1 - a x^2 + y, y' = b x (Henon 1976).

    >>> henon({"x": 1.0, "y": 0.5})
    {'x': 0.10000000000000009, 'y': 0.3}
    """
    return {"x": 1 - a * state["x"] ** 2 + state["y"], "y": b * state["x"]}


def doubling_ring(coupling: float) -> Callable:
    """Doubling maps on a ring, coupled to their neighbors: x_i' = 2 ((1 - e) x_i + e (x_(i-1) + x_(i+1)) / 2) mod 1.

    >>> doubling_ring(0.5)(jnp.array([0.25, 0.0, 0.0, 0.0]))
    Array([0.25 , 0.125, 0.   , 0.125], dtype=float32)
    """

    def step(x):
        neighbors = (jnp.roll(x, 1) + jnp.roll(x, -1)) / 2
        return 2 * ((1 - coupling) * x + coupling * neighbors) % 1

    return step


def runge_kutta(field: Callable, dt: float) -> Callable:
    """One step of the classical fourth-order Runge-Kutta method for dx/dt = field(x), x an array.

    >>> f"{runge_kutta(lambda x: -x, 0.1)(1.0):.6f}"  # exp(-0.1) = 0.904837
    '0.904837'
    """

    def step(x):
        k1 = field(x)
        k2 = field(x + dt / 2 * k1)
        k3 = field(x + dt / 2 * k2)
        k4 = field(x + dt * k3)
        return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return step


def lorenz(
    state: Float[Array, "3"], sigma: ArrayLike = 10.0, rho: ArrayLike = 28.0, beta: ArrayLike = 8 / 3
) -> Float[Array, "3"]:
    """The vector field of Lorenz 1963.

    >>> lorenz(jnp.ones(3)).round(2)
    Array([ 0.  , 26.  , -1.67], dtype=float32)
    """
    x, y, z = state
    return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def roessler(state: Float[Array, "3"], a: ArrayLike = 0.2, b: ArrayLike = 0.2, c: ArrayLike = 5.7) -> Float[Array, "3"]:
    """The vector field of Roessler 1976.

    >>> roessler(jnp.zeros(3))
    Array([-0. ,  0. ,  0.2], dtype=float32)
    """
    x, y, z = state
    return jnp.stack([-y - z, x + a * y, b + z * (x - c)])


def linear(x: Float[Array, " n"], matrix: Float[Array, "n n"]) -> Float[Array, " n"]:
    """x' = A x; with a new Gaussian A at each step, a product of random matrices.

    >>> linear(jnp.ones(2), jnp.eye(2))
    Array([1., 1.], dtype=float32)
    """
    return matrix @ x


def regression_sgd(learning_rate: float) -> Callable:
    """SGD with batch size 1 on (x . w)^2 / 2: w' = w - eta x (x . w), x the step's example.

    >>> regression_sgd(0.1)(jnp.ones(2), jnp.array([1.0, 0.0]))
    Array([0.9, 1. ], dtype=float32)
    """

    def step(w, x):
        return w - learning_rate * x * jnp.vdot(x, w)

    return step


def with_spectrum(key: Key[Array, ""], exponents: ArrayLike) -> Float[Array, "n n"]:
    """Draws a non-normal matrix with eigenvalues exp(exponents), whose eigenvectors are not orthogonal.

    >>> with_spectrum(jax.random.key(0), jnp.zeros(3)).shape
    (3, 3)
    """
    values = jnp.exp(jnp.asarray(exponents))
    num = len(values)
    vectors = jnp.eye(num) + 0.5 * jax.random.normal(key, (num, num)) / jnp.sqrt(num)
    return vectors @ jnp.diag(values) @ jnp.linalg.inv(vectors)
