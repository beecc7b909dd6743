"""Maps, flows and random products with exact or published exponents."""

import math

import jax
import jax.numpy as jnp
import numpy as np

import pathjax
from pathjax.experiments.reference.rows import Row, between, exactly, within_errors
from pathjax.experiments.reference.spectra import spectrum
from pathjax.lyapunov import jackknife
from pathjax.theory import spectra, systems


def _each(result, expected, tolerance) -> list[Row]:
    return [
        exactly(f"exponent {i + 1}", value, exact, tolerance)
        for i, (value, exact) in enumerate(zip(result.exponents, expected, strict=True))
    ]


def _each_within_errors(result, expected) -> list[Row]:
    triples = zip(result.exponents, expected, result.stderr, strict=True)
    return [within_errors(f"exponent {i + 1}", *triple) for i, triple in enumerate(triples)]


def quadratic(long: bool) -> list[Row]:
    """gradient descent on a quadratic"""
    curvatures = jnp.array([0.5, 3.0, 7.0, 19.0])
    result = spectrum(lambda w: w - 0.1 * curvatures * w, jnp.ones(4), k=4, length=200, burn_in=300)
    return _each(result, spectra.gradient_descent(curvatures, 0.1), 1e-10)


def interval_maps(long: bool) -> list[Row]:
    """logistic r = 4, tent, baker"""
    result = spectrum(systems.logistic, jnp.array(0.3), k=1, length=1_000_000 if long else 20_000, burn_in=100)
    tent = spectrum(systems.tent, jnp.array(0.3), k=1, length=1000)
    baker = spectrum(systems.baker, (jnp.array(0.3), jnp.array(0.4)), k=2, length=1000, burn_in=50)
    log2 = math.log(2)
    return [
        within_errors("logistic", result.exponents[0], log2, result.stderr[0]),
        exactly("tent", tent.exponents[0], log2, 1e-10),
        exactly("baker, expanding", baker.exponents[0], log2, 1e-10),
        exactly("baker, contracting", baker.exponents[1], -log2, 1e-10),
    ]


def cat_map(long: bool) -> list[Row]:
    """cat map"""
    result = spectrum(systems.cat, jnp.array([0.1, 0.2]), k=2, length=1000, burn_in=50)
    exact = math.log((3 + math.sqrt(5)) / 2)
    dimension = pathjax.kaplan_yorke_dimension(result.exponents, num_dims=2)
    return [*_each(result, [exact, -exact], 1e-10), exactly("Kaplan-Yorke dimension", dimension, 2, 1e-9)]


def doubling_ring(long: bool) -> list[Row]:
    """doubling-map ring, N = 8, coupling 0.3"""
    step, exact = systems.doubling_ring(0.3), spectra.doubling_ring(8, 0.3)
    start = jax.random.uniform(jax.random.key(1), (8,))
    whole = spectrum(step, start, k=8, length=200, burn_in=400)
    leading = spectrum(step, start, k=4, length=200, burn_in=400, renormalize_every=5)
    error = float(jnp.max(jnp.abs(leading.exponents - exact[:4])))
    return [*_each(whole, exact, 1e-10), exactly("k=4, renormalize_every=5: largest error", error, 0, 1e-10)]


def linear_map(long: bool) -> list[Row]:
    """non-normal linear map"""
    exact = np.array([0.4, 0.1, -0.3, -0.9])
    matrix = systems.with_spectrum(jax.random.key(2), exact)
    result = spectrum(lambda x: systems.linear(x, matrix), jnp.zeros(4), k=4, length=200, burn_in=300, save_r=True)
    _, vectors = np.linalg.eig(np.asarray(matrix))
    order = np.argsort(-np.abs(np.linalg.eigvals(np.asarray(matrix))))
    vectors = vectors.real[:, order]
    cosines = np.abs(vectors.T @ vectors)
    covariant = pathjax.covariant_vectors(result.r, transient=100)
    pairs = np.triu_indices(4, 1)
    error = np.max(np.abs(np.asarray(covariant.angles[0])[pairs] - np.arccos(cosines[pairs])))
    return [
        *_each(result, exact, 1e-10),
        exactly("covariant vectors: largest error of an angle", error, 0, 1e-10),
        exactly("covariant vectors: largest error of a rate", np.max(np.abs(covariant.log_growth - exact)), 0, 1e-10),
    ]


def henon(long: bool) -> list[Row]:
    """Henon a = 1.4, b = 0.3"""
    length, published = 100_000 if long else 10_000, 0.419205
    starts = jax.random.uniform(jax.random.key(3), (64, 2), minval=-0.1, maxval=0.1)

    def of(start):
        return spectrum(systems.henon, {"x": start[0], "y": start[1]}, k=2, length=length, burn_in=200)

    result = jax.jit(jax.vmap(of))(starts)
    first, errors = np.asarray(result.exponents[:, 0]), np.asarray(result.stderr[:, 0])
    z = (first - published) / np.hypot(errors, 1.5e-5)
    one = of(starts[0])
    dimension = jackknife(pathjax.kaplan_yorke_dimension, one)
    worst = np.max(np.abs(np.sum(result.exponents, axis=1) / math.log(0.3) - 1))
    return [
        exactly("sum over ln 0.3 - 1, worst of 64 starts", worst, 0, 1e-12),
        within_errors("first, mean of 64 starts", first.mean(), published, math.hypot(first.std(ddof=1) / 8, 1.5e-5)),
        between("first, root mean square z of 64 starts", np.sqrt(np.mean(z**2)), 0.7, 1.3),
        within_errors("Kaplan-Yorke dimension", dimension.mean, 1.2583, math.hypot(dimension.stderr, 5e-5)),
    ]


def gaussian_products(long: bool) -> list[Row]:
    """products of Gaussian 5 x 5 matrices"""
    size, length = 5, 200_000 if long else 10_000
    matrices = jax.random.normal(jax.random.key(4), (length, size, size))
    result = spectrum(systems.linear, jnp.zeros(size), matrices, k=size)
    exact, errors = spectra.gaussian_product(size), spectra.gaussian_product_stderr(size, length)
    ratios = result.stderr / errors
    rows = [
        within_errors(f"exponent {i + 1}", *row)
        for i, row in enumerate(zip(result.exponents, exact, errors, strict=True))
    ]
    return [
        *rows,
        between("reported over exact error, least", ratios.min(), 0.8, 1.3),
        between("reported over exact error, largest", ratios.max(), 0.8, 1.3),
    ]


def regression(long: bool) -> list[Row]:
    """SGD on linear regression, d = 8, eta = 0.15"""
    rows = jax.random.normal(jax.random.key(5), (400_000 if long else 20_000, 8))
    result = spectrum(systems.regression_sgd(0.15), jnp.ones(8), rows, k=8, burn_in=500)
    return _each_within_errors(result, spectra.regression_sgd(8, 0.15))


def overparametrised(long: bool) -> list[Row]:
    """overparametrised 1-D least squares, SGD batch 1"""
    examples, rate = jnp.array([0.5, 1.0, 1.5, 2.2]), 0.4
    drawn = jax.random.choice(jax.random.key(6), examples, (200_000 if long else 20_000,))
    result = spectrum(lambda w, a: w - rate * a * (a * w - a * 1.0), jnp.array(1.0), drawn, k=1)
    exact = np.mean(np.log(np.abs(1 - rate * np.asarray(examples) ** 2)))
    return _each_within_errors(result, [exact])


def correlated_growth(long: bool) -> list[Row]:
    """autoregressive growth, correlation time of 10 blocks, 128 seeds"""

    def root_mean_square_z(length):
        noise = jax.random.normal(jax.random.key(11), (length + 100, 128))
        _, growth = jax.lax.scan(lambda g, e: (0.9 * g + e,) * 2, jnp.zeros(128), noise)
        rows = growth[100:].T / 10
        result = jax.vmap(lambda rows: spectrum(lambda x, g: jnp.exp(g) * x, jnp.array(0.0), rows, k=1))(rows)
        return jnp.sqrt(jnp.mean((result.exponents / result.stderr) ** 2))

    return [
        between("3,000 blocks: root mean square z", root_mean_square_z(3000), 0.7, 1.3),
        between("300 blocks: root mean square z (errors are small)", root_mean_square_z(300), 1, 1.6),
        between("32 blocks: root mean square z (errors are far too small)", root_mean_square_z(32), 2, 5),
    ]


def lorenz(long: bool) -> list[Row]:
    """Lorenz 10, 28, 8/3 by Runge-Kutta, dt = 0.01"""
    step = systems.runge_kutta(systems.lorenz, 0.01)
    length = 1_000_000 if long else 100_000
    result = spectrum(step, jnp.ones(3), k=3, length=length, burn_in=5000, renormalize_every=5, dt=0.01)
    dimension = jackknife(pathjax.kaplan_yorke_dimension, result)
    return [
        within_errors("first", result.exponents[0], 0.9057, math.hypot(result.stderr[0], 2e-4)),
        exactly("second", result.exponents[1], 0, 0.01),
        exactly("sum", result.exponents.sum(), -41 / 3, 1e-3),
        within_errors("Kaplan-Yorke dimension", dimension.mean, 2.062, math.hypot(dimension.stderr, 5e-4)),
    ]


def roessler(long: bool) -> list[Row]:
    """Roessler 0.2, 0.2, 5.7 by Runge-Kutta, dt = 0.01"""
    step = systems.runge_kutta(systems.roessler, 0.01)
    length = 2_000_000 if long else 200_000
    result = spectrum(step, jnp.ones(3), k=3, length=length, burn_in=20_000, renormalize_every=10, dt=0.01)
    return [
        within_errors("first", result.exponents[0], 0.0714, math.hypot(result.stderr[0], 1e-4)),
        exactly("second", result.exponents[1], 0, 0.01),
        within_errors("third", result.exponents[2], -5.394, math.hypot(result.stderr[2], 5e-4)),
    ]


CASES = [
    quadratic,
    interval_maps,
    cat_map,
    doubling_ring,
    linear_map,
    henon,
    gaussian_products,
    regression,
    overparametrised,
    correlated_growth,
    lorenz,
    roessler,
]
