"""Models as flax linen modules, and their initialisation."""

from pathjax.models.cnn import CNN, Convolution
from pathjax.models.convolution import convolution
from pathjax.models.dense import Dense
from pathjax.models.initializers import kaiming_sphere
from pathjax.models.mlp import ACTIVATIONS, MLP, PIECEWISE_LINEAR

__all__ = [
    "ACTIVATIONS",
    "CNN",
    "MLP",
    "PIECEWISE_LINEAR",
    "Convolution",
    "Dense",
    "convolution",
    "kaiming_sphere",
]
