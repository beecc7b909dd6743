"""Systems whose behaviour is known: maps and flows, and their exact exponents."""

from pathjax.theory import spectra, systems

__all__ = ["spectra", "systems"]
