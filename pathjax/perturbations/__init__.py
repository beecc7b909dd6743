"""What is moved, in which direction and how far; see `Perturbation`."""

from pathjax.perturbations.isotropic import gaussian, on_sphere
from pathjax.perturbations.perturbation import Perturbation, check_epsilons, directions
from pathjax.perturbations.single import one_ulp

__all__ = ["Perturbation", "check_epsilons", "directions", "gaussian", "on_sphere", "one_ulp"]
