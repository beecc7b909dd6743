"""What is measured inside the compiled loop, one phenomenon a file; each factory returns an `Observable`."""

from pathjax.observables.correlation import weight_autocorrelation
from pathjax.observables.distances import weight_distance, weight_norm
from pathjax.observables.function_space import classification
from pathjax.observables.losses import batch_loss, first_nonfinite
from pathjax.observables.tangents import function_space_lyapunov, linear_response, lyapunov
from pathjax.observables.together import carried_together

__all__ = [
    "batch_loss",
    "carried_together",
    "classification",
    "first_nonfinite",
    "function_space_lyapunov",
    "linear_response",
    "lyapunov",
    "weight_autocorrelation",
    "weight_distance",
    "weight_norm",
]
