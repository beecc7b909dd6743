"""Spectra held against exact and published values, and against themselves: docs/lyapunov.md."""
