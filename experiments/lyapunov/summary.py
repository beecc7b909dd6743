"""Summarizes a run's Lyapunov spectra in a few numbers with their errors."""

import math

import numpy as np
import xarray as xr

from pathjax.analysis.derived_records import spectrum_records
from pathjax.analysis.statistics import jackknife
from pathjax.experiments.divergence.tables import format_summary
from pathjax.lyapunov import entropy_bound, kaplan_yorke_dimension
from pathjax.reporting.tables import aligned, number

ALIGNED = 3.0  # nats, a factor of 20 in the growth of the leading and the last direction
SPECTRUM_HEADER = ("i", "weights", "function")


def summarize_spectrum(trajectory: xr.Dataset) -> dict:
    """Computes exponents of weights and function with standard errors, and derived quantities, in nats per step.

    Args:
        trajectory: with log_growth, function_log_growth, tangent_collapse and function_collapse, and, for a full
            spectrum, dense_log_growth.
    """
    weights, function = (spectrum(trajectory, name) for name in ("log_growth", "function_log_growth"))
    growth, durations = _growth(trajectory, "log_growth")
    whole = "dense_log_growth" in trajectory
    num_dims = growth.shape[1] if whole else None

    def dimension(exponents):
        return kaplan_yorke_dimension(exponents, num_dims)

    summary: dict = {
        "weights": weights,
        "function": function,
        "kaplan_yorke_dimension": jackknife(dimension, growth, durations)._asdict(),
        "entropy_bound": jackknife(entropy_bound, growth, durations)._asdict(),
        "alignment_nats": float((weights["exponents"][0] - weights["exponents"][-1]) * durations.sum()),
    }
    if whole:
        dense = spectrum(trajectory, "dense_log_growth")["exponents"]
        summary["dense_largest_difference"] = float(np.max(np.abs(np.subtract(dense, weights["exponents"]))))
    return summary


def spectrum(trajectory: xr.Dataset, name: str) -> dict:
    """Returns the exponents, largest first, and their standard errors."""
    exponents, stderr = spectrum_records(trajectory, name)
    return {"exponents": exponents.tolist(), "stderr": stderr.tolist()}


def _growth(trajectory, name):
    values = trajectory[name]
    steps = trajectory[values.dims[0]].values
    return values.values[1:].astype(np.float64), np.diff(steps)


def spectrum_rows(summary: dict) -> list[tuple[str, ...]]:
    """Returns one row per exponent: of the weights and of the function, with standard errors."""
    weights, function = ([*zip(s["exponents"], s["stderr"], strict=True)] for s in _both(summary))
    rows = []
    for i in range(max(len(weights), len(function))):
        cells = [_pair(column[i]) if i < len(column) else "" for column in (weights, function)]
        rows.append((str(i + 1), *cells))
    return rows


def derived_rows(summary: dict) -> list[tuple[str, str, str]]:
    """Returns (quantity, value with its error, remark) for quantities derived from the exponents."""
    spectra = summary["spectrum"]
    k, dimension, bound = (
        len(spectra["weights"]["exponents"]),
        spectra["kaplan_yorke_dimension"],
        spectra["entropy_bound"],
    )
    aligned_enough = spectra["alignment_nats"] >= ALIGNED
    remark = "from the weights' exponents; jackknife error"
    if not math.isfinite(dimension["mean"]):
        remark = f"at least {k}, because the sum of {k} exponents is not negative"
    if not aligned_enough:
        remark = "the tangents have not aligned, see below"
    shown = _pair((dimension["mean"], dimension["stderr"])) if aligned_enough else "undefined"
    rows = [
        ("Kaplan-Yorke dimension", shown, remark),
        ("sum of positive exponents", _pair((bound["mean"], bound["stderr"])), f"nats/step, of the {k} measured"),
    ]
    if "dense_largest_difference" in spectra:
        difference = number(spectra["dense_largest_difference"])
        rows.append(
            ("dense Jacobians, largest difference", difference, "nats/step, over the full spectrum; no error bar")
        )
    return rows


def alignment_lines(summary: dict) -> list[str]:
    """Returns a warning if the tangents had no time to align with the leading directions."""
    spectra = summary["spectrum"]
    k, nats = len(spectra["weights"]["exponents"]), spectra["alignment_nats"]
    if nats >= ALIGNED:
        return []
    return [
        f"The tangents have not aligned: the first and the last of {k} exponents differ by {number(nats)} nats over "
        f"the run, and below {ALIGNED:g} nats the tangents still point in their initial random directions. These are "
        "growth rates of typical directions, which depend on the tangents' seed by more than their errors; the leading "
        "exponents are larger. Measure more exponents, or run longer."
    ]


def format_spectrum(summary: dict) -> str:
    """Formats the summary as text for a terminal, the spectrum first."""
    rows = spectrum_rows(summary)
    shown = rows if len(rows) <= 20 else [*rows[:10], ("...", "", ""), *rows[-5:]]
    lines = ["Lyapunov exponents, nats per step, ± standard error", ""]
    lines += [
        *aligned([SPECTRUM_HEADER, *shown]),
        "",
        *aligned(derived_rows(summary)),
        *alignment_lines(summary),
        "",
    ]
    return "\n".join(lines) + format_summary(summary)


def _both(summary):
    return summary["spectrum"]["weights"], summary["spectrum"]["function"]


def _pair(estimate) -> str:
    return f"{number(estimate[0])} ± {number(estimate[1])}" if math.isfinite(estimate[0]) else "undefined"
