"""What happens to a member at a step of its own: to its weights, optimizer, hyperparameters, or to what it sees."""

from pathjax.interventions.intervention import NEVER, Intervention, When, intervening
from pathjax.interventions.of_batch import of_batch, of_example, of_example_weight, of_label
from pathjax.interventions.of_state import (
    along_gradient,
    of_flipped_bit,
    of_hyperparameter,
    of_optimizer_state,
    of_permutation,
    of_scales,
    of_ulps,
    of_weights,
)
from pathjax.interventions.window import windowed

__all__ = [
    "NEVER",
    "Intervention",
    "When",
    "along_gradient",
    "intervening",
    "of_batch",
    "of_example",
    "of_example_weight",
    "of_flipped_bit",
    "of_hyperparameter",
    "of_label",
    "of_optimizer_state",
    "of_permutation",
    "of_scales",
    "of_ulps",
    "of_weights",
    "windowed",
]
