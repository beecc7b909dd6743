"""Closed forms: maps and flows, their exact Lyapunov exponents, and kernels of wide networks."""

from pathjax.theory import ntk, spectra, systems

__all__ = ["ntk", "spectra", "systems"]
