"""Derivatives of the end of training with respect to initial weights, hyperparameters and example weights."""

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
