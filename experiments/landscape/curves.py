"""What is kept of a run: thinned curves, and numbers of its last third."""

import numpy as np

from pathjax.analysis.statistics import blocking
from pathjax.experiments.landscape.kinds import Kind
from pathjax.experiments.runner.standalone import rounded

POINTS = 50  # of a curve
LAST = 3  # numbers are of the last part of so many
PERIOD_TWO = 0.45  # from this frequency on, in cycles per step


def of_rates(records: dict, kind: Kind) -> list[dict]:
    """Returns the outcome of each learning rate.

    Args:
        records: "train_curvature" [reading, rate, 1], "log_growth" [reading, rate, 1], "batch_loss" [step, rate, 1],
            "train_tangent_alignment" [reading, rate, 1, 1] and "train_curvature_products" [reading, rate]; and
            "negated_curvature", minus the smallest eigenvalue.
        kind: the way of training.
    """
    return [_of_rate(records, i, rate) for i, rate in enumerate(kind.rates)]


def _of_rate(records: dict, i: int, rate: float) -> dict:
    edge = rate * np.asarray(records["train_curvature"], float)[:, i, 0]
    growth = np.asarray(records["log_growth"], float)[:, i, 0]
    loss = np.asarray(records["batch_loss"], float)[1:, i, 0]  # of the first step on
    every = len(loss) // (len(edge) - 1)
    diverged = not (np.isfinite(loss).all() and np.isfinite(growth).all())
    last = len(edge) // LAST
    found: dict = {"rate": rate, "diverged": diverged, "start": float(edge[0]) if np.isfinite(edge[0]) else None}
    found |= {"loss": _thinned(loss), "edge": _thinned(edge), "exponents": _thinned(growth / every)}
    if diverged:
        return found
    plateau = blocking(edge[-last:])
    shares = np.asarray(records["train_tangent_alignment"], float)[-last:, i, 0, 0]
    return found | {
        "plateau": float(plateau.mean),
        "plateau_error": float(plateau.stderr),
        "largest": float(edge.max()),
        "lowest": -rate * float(np.asarray(records["negated_curvature"], float)[-last:, i, 0].mean()),
        "exponent": float(growth[-last:].sum() / (last * every)),
        "early_exponent": float(growth[1 : last + 1].sum() / (last * every)),
        "alternation": alternation(loss[-last * every :]),
        "alignment": float(shares.mean()),
        "catapulted": float(loss.max() / loss[0]),
        "products": float(np.asarray(records["train_curvature_products"], float)[1:, i].mean()),
    }


def alternation(loss: np.ndarray) -> float:
    """Returns the share of the variance of the second differences of a loss that has a period near two steps.

    It is 1 for a period of two, and a quarter for white noise, such as rounding.

    >>> alternation(np.array([1.0, 2.0] * 50)), round(alternation(np.exp(-np.arange(100.0) / 20)), 3)
    (1.0, 0.002)
    """
    bends = np.diff(loss, 2)
    power = np.abs(np.fft.rfft(bends)) ** 2
    near = np.fft.rfftfreq(len(bends)) >= PERIOD_TWO
    return float(power[near].sum() / power.sum()) if power.sum() > 0 else 0.0


def _thinned(curve: np.ndarray) -> list:
    rows = np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))
    return [value if np.isfinite(value) else None for value in rounded(curve[rows])]
