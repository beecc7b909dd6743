"""The experiments, installed as `pathjax.experiments`; in a clone also `python -m experiments.NAME`."""

import importlib.util
import pathlib
import sys

if __name__ == "experiments":
    # The programs import pathjax.experiments; if another clone is installed, they would run its code.
    _installed = importlib.util.find_spec("pathjax.experiments")
    if _installed is None or not _installed.origin or not pathlib.Path(_installed.origin).samefile(__file__):
        _found = _installed.origin if _installed else "none"
        _fix = "run pip install --editable . here, or make run"
        print(f"error: this clone is not the installed one ({_found}): {_fix}", file=sys.stderr)
        sys.exit(2)
