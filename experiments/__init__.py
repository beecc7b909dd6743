"""The experiments, installed as `pathjax.experiments`; in a clone also `python -m experiments.NAME`."""

import importlib.util
import pathlib
import sys

if __name__ == "experiments":
    # The programs import pathjax.experiments: of an installation of another clone, they would run that one's code.
    _installed = importlib.util.find_spec("pathjax.experiments")
    if _installed is None or not _installed.origin or not pathlib.Path(_installed.origin).samefile(__file__):
        _found = _installed.origin if _installed else "none"
        _mend = "run pip install --editable . here, or make run"
        print(f"error: this clone is not the one that is installed ({_found}): {_mend}", file=sys.stderr)
        sys.exit(2)
