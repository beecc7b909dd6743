"""Systems whose behavior is known: maps and flows, their exact exponents, and kernels of wide networks."""

from pathjax.theory import ntk, spectra, systems

__all__ = ["ntk", "spectra", "systems"]
