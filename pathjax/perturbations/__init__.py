"""Perturbations of weights: which weights move, in which direction and how far; see `Perturbation`."""

from pathjax.perturbations.base import Perturbation, check_epsilons, perturbation_directions
from pathjax.perturbations.directional import along, one_weight
from pathjax.perturbations.isotropic import gaussian, on_sphere
from pathjax.perturbations.roundoff import one_ulp
from pathjax.perturbations.subset import restricted, sparse

__all__ = [
    "Perturbation",
    "along",
    "check_epsilons",
    "gaussian",
    "on_sphere",
    "one_ulp",
    "one_weight",
    "perturbation_directions",
    "restricted",
    "sparse",
]
