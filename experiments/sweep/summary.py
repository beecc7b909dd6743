"""Formats the results of a sweep as text."""

import xarray as xr

from pathjax.analysis.statistics import spread
from pathjax.plots.sweep import at_the_end, sweep_outcome
from pathjax.reporting.tables import aligned, quantiles


def table(whole: xr.Dataset) -> str:
    """Formats the test loss and the final distances: medians over the settings of each value, axis by axis."""
    outcome, label = sweep_outcome(whole)
    loss = at_the_end(whole, "test_loss").isel(member=0)
    rows: list[tuple[str, ...]] = [
        ("axis", "value", f"{label}: median [16%, 84%] over settings", "test loss of baselines")
    ]
    for name in outcome.dims:
        for value in outcome[name].values:
            both = [quantiles(spread(a.sel({name: value}).values)._asdict()) for a in (outcome, loss)]
            rows.append((str(name), str(value), *both))
    return "\n".join(aligned(rows))
