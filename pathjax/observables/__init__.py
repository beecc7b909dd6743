"""What is measured inside the compiled loop, one phenomenon a file; each factory returns an `Observable`."""

from pathjax.observables.alignments import activation_alignment, alignment, balanced_distance
from pathjax.observables.cka import linear_cka
from pathjax.observables.connectivity import linear_connectivity
from pathjax.observables.correlation import function_autocorrelation, weight_autocorrelation
from pathjax.observables.curvatures import Align, curvature, gradient_noise
from pathjax.observables.decision_maps import decisions
from pathjax.observables.distances import norm_distance, weight_angle, weight_distance, weight_norm
from pathjax.observables.function_space import classification, outputs
from pathjax.observables.gradient_contrasts import gradient_contrast
from pathjax.observables.gradient_variance import gradient_fluctuation
from pathjax.observables.gram import function_gram, weight_gram, weight_projections
from pathjax.observables.induction import induction_score
from pathjax.observables.intervention_sizes import intervention_size
from pathjax.observables.kinks import kink_crossings, pattern_differences
from pathjax.observables.losses import batch_loss, first_nonfinite, mean_loss
from pathjax.observables.ntk import tangent_kernel
from pathjax.observables.regressions import regression
from pathjax.observables.sensitivities import sensitivity
from pathjax.observables.shared_tangents import share_tangents
from pathjax.observables.spectral_readings import NextBatch, Search
from pathjax.observables.tangents import function_space_lyapunov, linear_response, lyapunov

__all__ = [
    "Align",
    "NextBatch",
    "Search",
    "activation_alignment",
    "alignment",
    "balanced_distance",
    "batch_loss",
    "classification",
    "curvature",
    "decisions",
    "first_nonfinite",
    "function_autocorrelation",
    "function_gram",
    "function_space_lyapunov",
    "gradient_contrast",
    "gradient_fluctuation",
    "gradient_noise",
    "induction_score",
    "intervention_size",
    "kink_crossings",
    "linear_cka",
    "linear_connectivity",
    "linear_response",
    "lyapunov",
    "mean_loss",
    "norm_distance",
    "outputs",
    "pattern_differences",
    "regression",
    "sensitivity",
    "share_tangents",
    "tangent_kernel",
    "weight_angle",
    "weight_autocorrelation",
    "weight_distance",
    "weight_gram",
    "weight_norm",
    "weight_projections",
]
