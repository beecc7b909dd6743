"""What is moved, in which direction and how far; see `Perturbation`."""

from pathjax.perturbations.along import along, one_weight
from pathjax.perturbations.isotropic import gaussian, on_sphere
from pathjax.perturbations.part import restricted, sparse
from pathjax.perturbations.perturbation import Perturbation, check_epsilons, directions
from pathjax.perturbations.single import one_ulp

__all__ = [
    "Perturbation",
    "along",
    "check_epsilons",
    "directions",
    "gaussian",
    "on_sphere",
    "one_ulp",
    "one_weight",
    "restricted",
    "sparse",
]
