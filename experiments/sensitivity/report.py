"""The report of derivatives of a run."""

import functools
import pathlib

from pathjax.experiments.sensitivity.summary import HEADER, first_disagreement, rows, verdict
from pathjax.io.run_folder import Run
from pathjax.plots import sensitivity
from pathjax.reporting.page import Figure, Table, describe_training, write_page

NOTE = (
    "At the end of training. |dw/d.|: 2-norm of the derivative of all weights, per unit of the parameter; by "
    "differences: the same from two copies of the run with the parameter a bit larger and smaller. Disagreement: the "
    "length of the difference of both vectors, relative to the derivative's; it is what is known of the error. One run."
)
FIRST_NOTE = "By more than 1% of the derivative."
OF_WEIGHTS, OF_LOSS = "$|dw/d\\theta|$", "$|dL/d\\theta|$  [nats per unit]"
FIGURES = {
    "sensitivity": Figure(
        "What the weights depend on",
        "Length of the derivative of all weights by each parameter, per unit of it: lines; dots are finite "
        "differences. A curve that rises is a change that training amplifies; an example counts from its step on.",
        functools.partial(sensitivity.over_time, name="sensitivity", beside="difference_sensitivity", label=OF_WEIGHTS),
    ),
    "disagreement": Figure(
        "Can the derivatives be believed?",
        "How far the finite difference is from the derivative, relative to it. Near 1 and above (dashed) they have "
        "nothing to do with one another: the run then depends on its parameters otherwise than by its derivative.",
        sensitivity.disagreement,
    ),
    "test_loss": Figure(
        "What the test loss depends on",
        "Derivative of the test loss by each parameter, per unit of it (its absolute value): lines; dots are finite "
        "differences.",
        functools.partial(sensitivity.over_time, name="readout_derivative", beside="readout_difference", label=OF_LOSS),
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    first = first_disagreement(run.trajectory).items()
    first_rows = [(label, "never" if step < 0 else f"from step {step} on") for label, step in first]
    tables = [
        Table("Derivatives", HEADER, rows(run.summary), NOTE),
        Table("Where finite differences first part from them", (), first_rows, FIRST_NOTE),
    ]
    lead = f"Derivatives {describe_training(run)}, carried along the baseline."
    write_page(folder, run, lead, tables, FIGURES, [], verdict(run.summary).splitlines())
