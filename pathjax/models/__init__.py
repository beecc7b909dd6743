"""Models as flax linen modules, and their initialisation."""

from pathjax.models.initializers import kaiming_sphere
from pathjax.models.mlp import ACTIVATIONS, MLP, PIECEWISE_LINEAR

__all__ = ["ACTIVATIONS", "MLP", "PIECEWISE_LINEAR", "kaiming_sphere"]
