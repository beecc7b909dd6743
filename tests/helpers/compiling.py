"""How the tests' programs are compiled; conftest.py sets it before JAX is asked for anything."""

import os

# PATHJAX_TEST_COMPILE=well: as users do. By default quickly, with few of XLA's optimizations: tests compile more than
# they compute.
COMPILED_WELL = os.environ.get("PATHJAX_TEST_COMPILE", "quickly") == "well"
