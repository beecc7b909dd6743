"""Test names do not depend on the time, place or order of collection."""

import os
import subprocess
import sys
import time

import pytest

from helpers.processes import ROOT


def begin_collection(hash_seed):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=--import-mode=importlib", "tests"]  # examples have no parameters
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_collections_a_second_apart_find_the_same_tests():
    first = begin_collection(1)
    time.sleep(1.1)  # gzip, for example, records the second of compression
    second = begin_collection(2)
    names = [[line for line in process.communicate()[0].splitlines() if "::" in line] for process in (first, second)]
    assert len(names[0]) > 1000 and names[0] == names[1]
