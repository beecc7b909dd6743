"""Derivatives of where training ends: by initial weights, hyperparameters and the weights of examples."""

from pathjax.derivatives.forward import Sensitivity, disagreements, sensitivity
from pathjax.derivatives.parameters import Parameter, direction, example_weight, hyperparameter
from pathjax.derivatives.reverse import EarlyDirections, early_directions, example_influence

__all__ = [
    "EarlyDirections",
    "Parameter",
    "Sensitivity",
    "direction",
    "disagreements",
    "early_directions",
    "example_influence",
    "example_weight",
    "hyperparameter",
    "sensitivity",
]
