"""How the tests' programs are compiled; conftest.py applies it before JAX starts."""

import os

# PATHJAX_TEST_COMPILE=well compiles as for users. The default compiles quickly, with few of XLA's optimizations,
# because tests compile more than they compute.
COMPILED_WELL = os.environ.get("PATHJAX_TEST_COMPILE", "quickly") == "well"
