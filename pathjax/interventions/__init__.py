"""Interventions: changes of a member at its own steps, to its weights, optimizer, hyperparameters or batch."""

from pathjax.interventions.base import NEVER, Intervention, When
from pathjax.interventions.batch import (
    of_batch,
    of_example,
    of_example_weight,
    of_label,
    of_label_noise,
    of_schedule,
    replace_batch,
)
from pathjax.interventions.bits import of_flipped_bit, of_ulps
from pathjax.interventions.intervene import intervened
from pathjax.interventions.loss_directions import along_curvature, along_gradient
from pathjax.interventions.state import of_hyperparameter, of_model_state, of_noise, of_optimizer_state, of_weights
from pathjax.interventions.symmetries import of_permutation, of_scales
from pathjax.interventions.window import windowed, with_window

__all__ = [
    "NEVER",
    "Intervention",
    "When",
    "along_curvature",
    "along_gradient",
    "intervened",
    "of_batch",
    "of_example",
    "of_example_weight",
    "of_flipped_bit",
    "of_hyperparameter",
    "of_label",
    "of_label_noise",
    "of_model_state",
    "of_noise",
    "of_optimizer_state",
    "of_permutation",
    "of_scales",
    "of_schedule",
    "of_ulps",
    "of_weights",
    "replace_batch",
    "windowed",
    "with_window",
]
