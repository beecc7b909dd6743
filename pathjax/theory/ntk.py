"""Kernels of wide fully connected ReLU networks with random weights, in closed form (NumPy, on the host).

The network has inputs of size d, `depth` hidden layers of widths n_1, n_2, ..., and an affine readout:

    z^1 = sqrt(s_w / d) W^1 x + sqrt(s_b) b^1,  z^(l+1) = sqrt(s_w / n_l) W^(l+1) relu(z^l) + sqrt(s_b) b^(l+1),

and the outputs are z^(depth + 1). All W and b are independent N(0, 1), and gradients are taken with respect to them
(the NTK parametrization). If layers hold the scaled weights and biases themselves (the standard parametrization), the
same kernel results from learning rates s_w / fan_in for weights and s_b for biases, the `factors` of
`pathjax.measures.ntk`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require


@shown_in_short
class Kernels(NamedTuple):
    """Kernels of n inputs in the limit of infinite width, for each output: `nngp`, the covariance of the output over
    random weights, and `ntk`, the tangent kernel; both float64[n, n], in output^2."""

    nngp: np.ndarray
    ntk: np.ndarray


def relu_kernels(inputs: ArrayLike, depth: int, weight_variance: float = 2.0, bias_variance: float = 0.0) -> Kernels:
    """Computes the kernels of the ReLU network above.

    With K the covariance and Theta the tangent kernel of one layer's units, and the angle
    theta = acos(K(x, x') / sqrt(K(x, x) K(x', x'))),

        K' = s_w sqrt(K(x, x) K(x', x')) (sin theta + (pi - theta) cos theta) / (2 pi) + s_b
        Theta' = K' + s_w (pi - theta) / (2 pi) Theta

    are those of the next layer; both start as s_w <x, x'> / d + s_b. With no hidden layer, the model is linear.

    Args:
        inputs: float[n, ...], flattened to (n, d).
        depth: number of hidden layers, 0 or more.
        weight_variance: s_w; 2 preserves the size of the units from layer to layer (He et al. 2015).
        bias_variance: s_b; 0 means no biases, not even trainable ones.

    Raises:
        InputError: if the depth or a variance is out of range.

    Source: the arc-cosine kernels of order 1 and 0 (Cho & Saul 2009); the recursion of Jacot et al. 2018, Theorem 1.

    >>> relu_kernels([[1.0, 0.0], [0.0, 1.0]], depth=1).ntk.round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """
    require(depth >= 0 and depth == int(depth), f"depth must be an integer of at least 0, not {depth}")
    in_range = weight_variance > 0 and bias_variance >= 0
    hint = f"weight_variance must be positive and bias_variance at least 0, not {weight_variance} and {bias_variance}"
    require(in_range, hint)
    x = np.asarray(inputs, np.float64)
    x = x.reshape(len(x), -1)
    nngp = weight_variance * (x @ x.T) / x.shape[1] + bias_variance
    ntk = nngp
    for _ in range(int(depth)):
        covariance, slopes = _through_relu(nngp)
        nngp = weight_variance * covariance + bias_variance
        ntk = nngp + weight_variance * slopes * ntk
    return Kernels(nngp, ntk)


def one_hidden_fluctuation(width: int, num_outputs: int) -> float:
    """Computes Var Theta(x, x) / (mean Theta(x, x))^2 over random weights of a network with one hidden layer of finite
    width, without biases: exactly (2 + 1 / C) / width for every input, with Theta the mean over the C outputs.

    Units are independent. Each adds relu(z)^2 + q mean_c v_c^2 [z > 0], with z of variance q and v_c its weights to
    the outputs; the mean is q and the mean square (3/2 + 1 + (1 + 2/C) / 2) q^2. With more layers it grows about as
    depth / width (Hanin & Nica 2019; Roberts, Yaida & Hanin 2022, chapter 8).

    Raises:
        InputError: if width or num_outputs is below 1.

    >>> one_hidden_fluctuation(100, 1)
    0.03
    """
    hint = f"width and num_outputs must be at least 1, not {width} and {num_outputs}"
    require(width >= 1 and num_outputs >= 1, hint)
    return (2 + 1 / num_outputs) / width


def _through_relu(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[relu(u) relu(v)] and E[relu'(u) relu'(v)] for all pairs of Gaussian variables with this covariance."""
    lengths = np.sqrt(np.diagonal(covariance))
    scales = np.outer(lengths, lengths)
    cosine = np.clip(np.divide(covariance, scales, out=np.zeros_like(scales), where=scales > 0), -1, 1)
    np.fill_diagonal(cosine, 1)  # removes rounding: the arc cosine has infinite slope at 1
    angle = np.arccos(cosine)
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    return scales * (sine + (np.pi - angle) * cosine) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)
