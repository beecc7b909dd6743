"""The report of the sensitivity experiment."""

import functools
import pathlib

from pathjax.experiments.sensitivity.summary import HEADER, first_disagreement, rows, verdict
from pathjax.io.run_folder import Run
from pathjax.plots import sensitivity
from pathjax.reporting.page import Figure, Table, describe_training, write_page

NOTE = (
    "At the end of training. |dw/d.|: 2-norm of the derivative of all weights, per unit of the parameter. By "
    "differences: the same from two copies of the run, with the parameter slightly larger and smaller. Disagreement: "
    "the norm of the difference of both vectors, relative to that of the derivative; it is the only error estimate. "
    "One run."
)
FIRST_NOTE = "A difference is a disagreement of more than 1% of the derivative."
OF_WEIGHTS, OF_LOSS = "$|dw/d\\theta|$", "$|dL/d\\theta|$  [nats per unit]"
FIGURES = {
    "sensitivity": Figure(
        "What the weights depend on",
        "Lines are norms of the derivative of all weights by each parameter, per unit; dots are finite differences. "
        "Where a curve rises, training amplifies the change; an example has an effect from its step on.",
        functools.partial(sensitivity.over_time, name="sensitivity", label=OF_WEIGHTS),
    ),
    "disagreement": Figure(
        "Can the derivatives be trusted?",
        "The difference of the finite difference and the derivative, relative to the derivative. Near 1 (dashed) and "
        "above they are unrelated: the derivative then does not describe how the run depends on its parameters.",
        sensitivity.disagreement,
    ),
    "test_loss": Figure(
        "What the test loss depends on",
        "Lines are absolute values of the derivative of the test loss by each parameter, per unit; dots are finite "
        "differences.",
        functools.partial(sensitivity.over_time, name="readout_derivative", label=OF_LOSS),
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    first = first_disagreement(run.trajectory).items()
    first_rows = [(label, "never" if step < 0 else f"from step {step} on") for label, step in first]
    tables = [
        Table("Derivatives", HEADER, rows(run.summary), NOTE),
        Table("Where finite differences first differ from the derivatives", (), first_rows, FIRST_NOTE),
    ]
    lead = f"Derivatives {describe_training(run)}, propagated along the baseline."
    write_page(folder, run, lead, tables, FIGURES, [], verdict(run.summary).splitlines())
