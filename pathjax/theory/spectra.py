"""Exact Lyapunov spectra, in nats per step, largest first (NumPy and SciPy, on the host)."""

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.errors import require


def gradient_descent(curvatures: ArrayLike, learning_rate: float) -> np.ndarray:
    """Gradient descent on sum_i h_i w_i^2 / 2: ln |1 - eta h_i|.

    >>> gradient_descent([1.0, 5.0], 0.1).round(4)
    array([-0.1054, -0.6931])
    """
    return _sorted(np.log(np.abs(1 - learning_rate * np.asarray(curvatures))))


def heavy_ball(curvatures: ArrayLike, learning_rate: float, momentum: float) -> np.ndarray:
    """Heavy ball on the same loss, v' = beta v + g, w' = w - eta v': ln |roots of z^2 - (1 + beta - eta h) z + beta|.

    >>> heavy_ball([1.0], 0.1, 0.25).round(4)
    array([-0.152 , -1.2342])
    """
    middles = 1 + momentum - learning_rate * np.asarray(curvatures)
    return _sorted(np.concatenate([np.log(np.abs(np.roots([1, -middle, momentum]))) for middle in middles]))


def doubling_ring(size: int, coupling: float) -> np.ndarray:
    """`systems.doubling_ring`: ln |2 (1 - e + e cos(2 pi j / N))|.

    >>> doubling_ring(4, 0.25).round(4)
    array([0.6931, 0.4055, 0.4055, 0.    ])
    """
    modes = 2 * np.pi * np.arange(size) / size
    return _sorted(np.log(np.abs(2 * (1 - coupling + coupling * np.cos(modes)))))


def gaussian_product(size: int) -> np.ndarray:
    """Products of independent n x n matrices with entries N(0, 1): (ln 2 + psi((n - i + 1) / 2)) / 2.

    Source: Newman 1986, Commun. Math. Phys. 103.

    >>> gaussian_product(2).round(4)
    array([ 0.058 , -0.6352])
    """
    from scipy.special import psi

    return (np.log(2) + psi(np.arange(size, 0, -1) / 2)) / 2


def gaussian_product_stderr(size: int, num_steps: int) -> np.ndarray:
    """Exact standard errors of `gaussian_product` measured over T = `num_steps`: sqrt(psi'((n - i + 1) / 2) / (4 T)).

    >>> gaussian_product_stderr(2, 100).round(3)
    array([0.064, 0.111])
    """
    from scipy.special import polygamma

    return np.sqrt(polygamma(1, np.arange(size, 0, -1) / 2) / (4 * num_steps))


def regression_sgd(num_dims: int, learning_rate: float) -> np.ndarray:
    """`systems.regression_sgd` with a new x ~ N(0, I_d) at each step: the first m exponents sum to
    E[ln |1 + (eta^2 (a + b) - 2 eta) a|] / 2, a ~ chi^2_m, b ~ chi^2_(d - m).

    >>> regression_sgd(8, 0.15).round(5)[:3]
    array([-0.04779, -0.05634, -0.06735])
    """
    require(num_dims >= 1, f"num_dims must be at least 1, not {num_dims}")
    sums = [_expected_log_volume(m, num_dims, learning_rate) for m in range(1, num_dims + 1)]
    return _sorted(np.diff(sums, prepend=0))


def _expected_log_volume(m: int, d: int, eta: float) -> float:
    """The expectation over s = a + b ~ chi^2_d and the independent a / s = cos^2(angle) ~ Beta(m/2, (d-m)/2)."""
    from scipy.special import beta
    from scipy.stats import chi2

    # The log has a cusp at s = 1/eta, angle = 0, so the nodes cluster there.
    cusp, far = 1 / eta, chi2.isf(1e-17, d)
    (below, below_weights), (above, above_weights) = _cusp_nodes(-cusp), _cusp_nodes(max(far, 2 * cusp) - cusp)
    offset = np.concatenate([below, above])
    s_weights = np.concatenate([below_weights, above_weights]) * chi2.pdf(cusp + offset, d)
    angle, weights = _cusp_nodes(np.pi / 2)
    if m == d:
        angle, weights = np.zeros(1), np.ones(1)
    else:
        weights = weights * 2 * np.cos(angle) ** (m - 1) * np.sin(angle) ** (d - m - 1) / beta(m / 2, (d - m) / 2)
    # 1 + (eta^2 s - 2 eta) s u, written as a sum of terms that do not cancel near its zero.
    x = eta * offset[:, None]
    volume = x**2 + (1 - x**2) * np.sin(angle) ** 2
    return float(s_weights @ np.log(np.abs(volume)) @ weights) / 2


def _cusp_nodes(end: float, num: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss-Legendre quadrature from 0 to `end`, clustered at 0."""
    t, weights = np.polynomial.legendre.leggauss(num)
    t, weights = (t + 1) / 2, weights / 2
    return end * t**4, abs(end) * 4 * t**3 * weights


def _sorted(exponents) -> np.ndarray:
    return np.sort(exponents)[::-1]
