"""The house rules of imports (docs/architecture.md), held by the source itself."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
HEAVY = ("tensorflow_datasets", "orbax", "xarray", "matplotlib", "sklearn", "flax")

# A module may import what stands in earlier rows, and in its own.
ROWS = [
    ("errors", "typing", "folding", "analysis"),
    ("trees", "rarely", "mostly_calm", "nested", "packing", "once"),
    (
        *("calibrate", "connectivity", "dynamics", "interventions", "schedule", "symmetry", "tangent_map"),
        *("kernel", "orthonormal", "perturbations"),
    ),
    ("lyapunov", "derivatives"),
    ("ensemble", "disturbed", "observing", "layout", "placement"),
    ("loop_state", "member_axis", "memory"),
    ("tiles", "loop"),
    ("planning", "checks"),
    ("rollout",),
    ("observables",),
]
ALONE = dict.fromkeys(("analysis", "data", "models", "optimizers", "theory"), ("errors",))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(path, package="pathjax"):
    """Modules of pathjax that a file imports, by their first name."""
    names = [name.split(".") for name in imports(path) if name.split(".")[0] == package]
    return {name[1] for name in names if len(name) > 1}


def files(module):
    folder = ROOT / "pathjax" / module
    return sorted(folder.glob("*.py")) if folder.is_dir() else [ROOT / "pathjax" / f"{module}.py"]


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_the_core_imports_one_way(row):
    allowed = {name for earlier in ROWS[: row + 1] for name in earlier}
    for module in ROWS[row]:
        for path in files(module):
            assert inside(path) <= allowed, path


@pytest.mark.parametrize("module", sorted(ALONE))
def test_models_data_and_analysis_know_nothing_of_the_rest(module):
    for path in files(module):
        assert inside(path) <= {module, *ALONE[module]}, path


def test_the_library_imports_no_flags_configs_or_experiments():
    for path in (ROOT / "pathjax").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"absl", "ml_collections", "experiments", "configs"}, path


def test_importing_pathjax_imports_nothing_heavy():
    code = f"import sys, pathjax; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_every_row_names_real_modules():
    named = {name for row in ROWS for name in row} | set(ALONE)
    assert all(path.exists() for module in named for path in files(module))
