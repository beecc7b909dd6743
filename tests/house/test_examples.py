"""The examples in docstrings of experiments run, in modules with their installed names.

pytest itself collects the library's examples; it would import experiments under other names.
"""

import doctest
import importlib
import pkgutil

import pytest

import pathjax.experiments

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(pathjax.experiments.__path__, "pathjax.experiments.")
    if not name.endswith("__main__") and ".benchmarks" not in name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_experiments_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
