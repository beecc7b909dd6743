"""Strict settings for all tests, and fixtures."""

import gc
import importlib.metadata
import os
import pathlib
import sys
import tempfile

import jax
import pytest

from helpers import type_checks
from helpers.compiling import COMPILED_WELL

# Compiled modules are kept, also where the environment forbids it: or each process that tests start would compile
# those of jax, SciPy and this project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

type_checks.install()  # before anything imports pathjax

# Here and in all processes that tests start.
if not COMPILED_WELL:
    fast_flags = ["--xla_backend_optimization_level=0"]
    if importlib.metadata.version("jaxlib") < "0.11":  # later versions abort at these flags
        fast_flags += ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in fast_flags if flag not in given)])
# All workers share one compilation cache: xdist's workers and the programs that tests run inherit the folder.
if "PATHJAX_TEST_CACHE" not in os.environ:
    cache = tempfile.TemporaryDirectory(prefix="pathjax-tests-")
    os.environ["PATHJAX_TEST_CACHE"] = cache.name
os.environ["XDG_CACHE_HOME"] = os.environ["PATHJAX_TEST_CACHE"]

# Eight devices, for tests of programs that are spread over devices.
jax.config.update("jax_num_cpu_devices", 8)
# Matrix products at the highest precision; silently broadcasting a (3,) against a (2, 3) is an error.
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", os.path.join(os.environ["PATHJAX_TEST_CACHE"], "in-process"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
jax.devices()  # now, because a program that a test runs in this process could reduce the devices for all later tests

# Tests hold millions of objects: collecting them less often saves about 4% of the time (13 of 257 s became 2 of 85).
gc.freeze()
gc.set_threshold(100_000, 20, 20)

# The slowest modules start first, so that no worker runs one of them alone at the end.
LONGEST = ["test_survival", "test_multihost", "test_observables", "test_reference", "test_end_to_end", "test_sweep"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture
def x64():
    """Enables float64 for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="module")
def problem():
    """Dynamics with a learning rate as a leaf, a state in the middle of training, and the examples."""
    from helpers import intervened_networks  # which computes, and so comes after the settings above

    return intervened_networks.in_training()


@pytest.fixture(scope="module", autouse=True)
def _clear_programs_of_other_modules():
    """Clears compiled programs: each holds memory maps, and the compiler crashes if a process has more than 65,000."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
