"""Kernels of wide fully connected ReLU networks with random weights, in closed form. NumPy, on the host.

The network has inputs of size d, `depth` hidden layers of widths n_1, n_2, ..., and an affine readout:

    z^1 = sqrt(s_w / d) W^1 x + sqrt(s_b) b^1,  z^(l+1) = sqrt(s_w / n_l) W^(l+1) relu(z^l) + sqrt(s_b) b^(l+1),

and the outputs are z^(depth + 1). All W and b are independent N(0, 1), and gradients are by them (the NTK
parametrization). Where layers hold the weights s_w / fan_in W and biases s_b b themselves (the usual one), the same
kernel is that of learning rates s_w / fan_in for weights and s_b for biases: `factors` of `pathjax.measures.ntk`.
"""

from typing import NamedTuple

import numpy as np

from pathjax.core.errors import require


class Kernels(NamedTuple):
    """Of n inputs, in the limit of infinite width, for each output: `nngp`, the covariance of the output over random
    weights, and `ntk`, the tangent kernel; both float64[n, n], in output^2."""

    nngp: np.ndarray
    ntk: np.ndarray


def relu_kernels(inputs, depth: int, weight_variance: float = 2.0, bias_variance: float = 0.0) -> Kernels:
    """The kernels of the ReLU network above.

    With K the covariance of one layer's units, theta the angle acos(K(x, x') / sqrt(K(x, x) K(x', x'))),

        K' = s_w sqrt(K(x, x) K(x', x')) (sin theta + (pi - theta) cos theta) / (2 pi) + s_b
        Theta' = K' + s_w (pi - theta) / (2 pi) Theta

    are those of the next; both begin as s_w <x, x'> / d + s_b. No hidden layer is a linear model.

    Args:
        inputs: float[n, ...], flattened to (n, d).
        depth: number of hidden layers, 0 or more.
        weight_variance: s_w; 2 keeps the size of the units from layer to layer (He et al. 2015).
        bias_variance: s_b; with 0 there are no biases, and none that would learn.

    Raises:
        InputError: if the depth or a variance is out of range.

    Source: the arc-cosine kernels of order 1 and 0 (Cho & Saul 2009); the recursion of Jacot et al. 2018, Theorem 1.

    >>> relu_kernels([[1.0, 0.0], [0.0, 1.0]], depth=1).ntk.round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """
    require(depth >= 0 and depth == int(depth), f"depth {depth} is out of range: give 0 hidden layers or more")
    known = weight_variance > 0 and bias_variance >= 0
    hint = f"variances {weight_variance} and {bias_variance} are out of range: weights' above 0, biases' 0 or more"
    require(known, hint)
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
    """Var Theta(x, x) / (mean Theta(x, x))^2 over random weights of one hidden layer of finite width, without biases:
    (2 + 1 / C) / width exactly, with Theta the mean over the C outputs, for every input.

    Units are independent, and each adds relu(z)^2 + q mean_c v_c^2 [z > 0], with z of variance q and v_c its weights
    to the outputs: the mean is q and the mean square (3/2 + 1 + (1 + 2/C) / 2) q^2. With more layers it grows about as
    depth / width (Hanin & Nica 2019; Roberts, Yaida & Hanin 2022, chapter 8).

    Raises:
        InputError: for no units, or no outputs.

    >>> one_hidden_fluctuation(100, 1)
    0.03
    """
    hint = f"a network of width {width} with {num_outputs} outputs computes nothing: choose 1 or more of each"
    require(width >= 1 and num_outputs >= 1, hint)
    return (2 + 1 / num_outputs) / width


def _through_relu(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[relu(u) relu(v)] and E[relu'(u) relu'(v)] of all pairs of Gaussian numbers of that covariance."""
    lengths = np.sqrt(np.diagonal(covariance))
    scales = np.outer(lengths, lengths)
    cosine = np.clip(np.divide(covariance, scales, out=np.zeros_like(scales), where=scales > 0), -1, 1)
    np.fill_diagonal(cosine, 1)  # not but for rounding: an arc cosine has infinite slope there
    angle = np.arccos(cosine)
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    return scales * (sine + (np.pi - angle) * cosine) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)
