"""Compares spectra with exact and published values, and with one another: docs/lyapunov.md."""
