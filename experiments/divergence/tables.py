"""Formats the summary of a run as text for the terminal, and as table rows for the report."""

import math

from pathjax.reporting.noise import noise_row
from pathjax.reporting.tables import aligned, number, quantiles


def result_rows(summary: dict) -> list[tuple[str, str, str]]:
    """Returns (quantity, value with its uncertainty, remark) of all results that do not depend on epsilon."""
    controls, baseline, exponent = (summary[key] for key in ("controls", "baseline", "largest_exponent"))
    replica, total = controls["replica_largest_distance"], number(exponent["total_nats"])
    return [
        ("replica, largest distance", number(replica), "exact" if replica == 0 else "not 0: see below"),
        (
            "roundoff, largest distance",
            number(controls["roundoff_largest_distance"]),
            f"from {number(controls['roundoff_first_distance'])}; one member, no error bar",
        ),
        *noise_row(controls.get("noise_last_distance")),
        (
            "largest Lyapunov exponent",
            f"{number(exponent['nats_per_step'])} ± {number(exponent['stderr'])}",
            f"nats/step over the full path (standard error by blocking); {total} nats in total, from a random tangent",
        ),
        (
            "test accuracy, baseline",
            f"{_fixed(baseline['test_accuracy'])} ± {_fixed(baseline['test_accuracy_stderr'])}",
            "binomial standard error of the test set",
        ),
        (
            "loss, baseline",
            f"train {number(baseline['train_loss'])}, test {number(baseline['test_loss'])}",
            "one run, no error bar",
        ),
    ]


EPSILON_HEADER = (
    "epsilon",
    "d(0)/|w|",
    "growth d(T)/d(0)",
    "median [16%, 84%]",
    "d/(eps |tangent|)",
    "worst |ratio-1|",
    "agreement",
)


def epsilon_rows(summary: dict) -> list[tuple[str, ...]]:
    """Returns one row per epsilon.

    Its cells are the distance at the start relative to the weights' norm (median); the growth as mean ± standard
    deviation over seeds and as median with quantiles; the linear-response ratio at the end (median, quantiles) and its
    worst deviation; and the agreement on the test set.
    """
    return [
        (
            f"{size['epsilon']:g}",
            number(size["relative_start"]),
            f"{number(size['growth']['mean'])} ± {number(size['growth']['sd'])}",
            quantiles(size["growth"]),
            quantiles(size["response_ratio"]),
            number(size["response_largest_deviation"]),
            f"{_fixed(size['test_agreement']['mean'])} ± {_fixed(size['test_agreement']['sd'])}",
        )
        for size in summary["perturbed"]
    ]


FINITE_SIZE_HEADER = ("separation", "growth rate", "tangent's rate", "difference", "directions")
FINITE_SIZE_NOTE = (
    "Nats per step, in windows of a twentieth of the run, binned by the separation in the window (a bin spans a factor "
    "of 3.2). The difference of both rates, within windows, has a standard error over directions, all on this path. "
    "Separations are absolute, whereas epsilon is relative to the weights. The tangents are those of the members' own "
    "directions, not that of the largest exponent."
)


def finite_size_rows(summary: dict) -> list[tuple[str, ...]]:
    """Returns one row per bin of separations, smallest first."""
    curve = summary["finite_size"]
    columns = (curve[name] for name in ("size", "rate", "tangent", "excess", "stderr", "directions"))
    return [
        (number(size), number(rate), number(tangent), f"{number(excess)} ± {number(stderr)}", str(directions))
        for size, rate, tangent, excess, stderr, directions in zip(*columns, strict=True)
    ]


def format_summary(summary: dict) -> str:
    """Formats the full summary as text for a terminal."""
    lines = [f"{summary['members']} members, {summary['steps']} steps", ""]
    lines += aligned(result_rows(summary))
    lines += ["", *aligned([EPSILON_HEADER, *epsilon_rows(summary)]), "", "± between members: standard deviation.", ""]
    lines += [*aligned([FINITE_SIZE_HEADER, *finite_size_rows(summary)]), ""]
    lines += [summary["linear_response"]["verdict"], *warning_lines(summary)]
    return "\n".join(lines)


def warning_lines(summary: dict) -> list[str]:
    """Lists what cannot be trusted: non-finite members, the baseline first, and faulty tangents."""
    lines = []
    for group in summary["nonfinite"]:
        if group["role"] == "baseline":
            lines.append(
                f"The baseline itself diverged: it is not finite from step {group['step']} on. Distances to it are not "
                "meaningful, and no statistics are given. Lower the learning rate."
            )
            continue
        members = ", ".join(str(member) for member in group["members"])
        what = f"epsilon = {group['epsilon']:g}" if group["role"] == "perturbed" else group["role"]
        lines.append(
            f"{what}: member {members} not finite, first at step {group['step']}; excluded from the statistics."
        )
    return lines + summary["faults"]


def _fixed(value):
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.4f}"
