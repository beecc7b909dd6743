"""The examples in docstrings of experiments run, under the names by which they are imported.

Those of the library are collected by pytest itself; of these it would make modules by another name.
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
