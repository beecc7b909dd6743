"""Lyapunov exponents of any pure step function, with errors: spectra, and quantities derived from them."""

from pathjax.lyapunov.check import check_exponents
from pathjax.lyapunov.covariant import CovariantVectors, covariant_vectors
from pathjax.lyapunov.finite_size import FiniteSizeExponents, finite_size_exponents
from pathjax.lyapunov.function_space import function_space_spectrum
from pathjax.lyapunov.options import SpectrumOptions
from pathjax.lyapunov.quantities import (
    FiniteTimeExponents,
    entropy_bound,
    finite_time_exponents,
    jackknife,
    kaplan_yorke_dimension,
    pairing_defect,
)
from pathjax.lyapunov.result import LyapunovCarry, LyapunovResult, join_results
from pathjax.lyapunov.spectrum import lyapunov_exponent, lyapunov_spectrum

__all__ = [
    "CovariantVectors",
    "FiniteSizeExponents",
    "FiniteTimeExponents",
    "LyapunovCarry",
    "LyapunovResult",
    "SpectrumOptions",
    "check_exponents",
    "covariant_vectors",
    "entropy_bound",
    "finite_size_exponents",
    "finite_time_exponents",
    "function_space_spectrum",
    "jackknife",
    "join_results",
    "kaplan_yorke_dimension",
    "lyapunov_exponent",
    "lyapunov_spectrum",
    "pairing_defect",
]
