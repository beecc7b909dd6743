"""Curvature from products alone: leading eigenpairs, traces and covariances, without a matrix."""

from pathjax.curvature.adam import adam_preconditioner
from pathjax.curvature.lanczos import Eigenpairs, empty_space, leading_eigenpairs
from pathjax.curvature.products import gradient_covariance, hessian, precondition
from pathjax.curvature.traces import Trace, estimate_trace

__all__ = [
    "Eigenpairs",
    "Trace",
    "adam_preconditioner",
    "empty_space",
    "estimate_trace",
    "gradient_covariance",
    "hessian",
    "leading_eigenpairs",
    "precondition",
]
