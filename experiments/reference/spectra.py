"""Spectra with options as keyword arguments, from a fixed key."""

from collections.abc import Callable
from typing import Any

import jax

import pathjax
from pathjax.core.types import PyTree


def spectrum(
    step_fn: Callable, state: PyTree, rows: PyTree = None, *, k: int, length: int | None = None, **options: Any
):
    """Computes `pathjax.lyapunov_spectrum` with `SpectrumOptions(**options)`."""
    chosen = pathjax.SpectrumOptions(**options)
    return pathjax.lyapunov_spectrum(jax.random.key(0), step_fn, state, rows, k=k, length=length, options=chosen)
