"""The rules for imports in docs/architecture.md, checked in the source."""

import ast
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = {"pathjax": "pathjax", "pathjax.experiments": "experiments", "pathjax.configs": "configs"}
HEAVY = ("tensorflow_datasets", "orbax", "xarray", "matplotlib", "sklearn", "flax", "ml_collections")

# A package imports from itself and from rows above its own: never from a neighbor.
ROWS = [
    ("core",),
    (
        *("analysis", "theory", "models", "data", "training", "perturbations", "symmetry", "tangents", "measures"),
        "curvature",
    ),
    ("interventions", "lyapunov", "derivatives", "engine"),
    ("ensemble", "observables", "io", "plots"),
    ("sampling",),
    ("reporting",),
    ("pathjax",),
    ("configs",),
    ("experiments.own",),
    ("experiments.registry",),
    ("experiments.runner",),
    (
        *("experiments.divergence", "experiments.butterfly", "experiments.sensitivity", "experiments.induction"),
        *(
            "experiments.arms",
            "experiments.laws",
            "experiments.growth",
            "experiments.barriers",
            "experiments.bends",
            "experiments.critical_periods",
            "experiments.dominoes",
            "experiments.grokking",
            "experiments.landscape",
            "experiments.learning_coefficients",
            "experiments.slabs",
            "experiments.spheres",
            "experiments.transients",
            "experiments.ntk_width",
            "experiments.variance_components",
        ),
    ),
    ("experiments.distances", "experiments.lyapunov", "experiments.kinks", "experiments.main", "experiments.patterns"),
    ("experiments.nudges", "experiments.steering"),
    ("experiments.screening", "experiments.simplicity"),
    ("experiments.sweep", "experiments.roundoff", "experiments.reference", "experiments.benchmarks"),
    ("experiments.console",),
]
ROW_OF = {package: number for number, row in enumerate(ROWS) for package in row}
# Packages that users import alone: of the core they import only the errors, and how results are shown.
ALONE = ("analysis", "data", "models", "theory")


def sources() -> dict[str, pathlib.Path]:
    """Returns the file of every module of the package, by its installed name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *parts]).removesuffix(".__init__")] = path
    return found


SOURCES = sources()


def imports(path: pathlib.Path):
    """Yields the dotted names that a file imports, including those under TYPE_CHECKING and in functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} uses a relative import: write the full name, pathjax.*"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_in(name: str) -> set[str]:
    """Returns the module that a dotted name denotes or belongs to."""
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return {name} - {""}


def package_of(module: str) -> str:
    parts = module.split(".")
    deep = 3 if parts[1:2] == ["experiments"] else 2
    return ".".join(parts[1:deep]) or "pathjax"


GRAPH = {module: {found for name in imports(path) for found in modules_in(name)} for module, path in SOURCES.items()}


def test_every_package_has_its_row():
    packages = {package_of(module) for module in SOURCES} - {"experiments"}
    assert packages == set(ROW_OF)


@pytest.mark.parametrize("package", sorted(ROW_OF))
def test_imports_run_down_the_rows(package):
    for module, imported in GRAPH.items():
        for other in imported if package_of(module) == package else ():
            to = package_of(other)
            assert to == package or ROW_OF[to] < ROW_OF[package], f"{module} imports {other}"


def test_there_are_no_import_cycles():
    remaining = {module: {other for other in imported if other != module} for module, imported in GRAPH.items()}
    while free := {module for module, imported in remaining.items() if not imported}:
        remaining = {module: imported - free for module, imported in remaining.items() if module not in free}
    assert not remaining, f"a cycle among {sorted(remaining)}"


@pytest.mark.parametrize("package", ALONE)
def test_models_data_theory_and_analysis_import_little_of_the_core(package):
    for module, imported in GRAPH.items():
        if package_of(module) == package:
            others = {other for other in imported if package_of(other) != package}
            assert others <= {"pathjax.core.errors", "pathjax.core.display", "pathjax.core.sources"}, module


def test_every_module_is_imported_under_its_installed_name():
    for path in [*SOURCES.values(), *(ROOT / "tests").rglob("*.py")]:
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"experiments", "configs"}, f"{path}: import pathjax.experiments, pathjax.configs"


def test_the_library_imports_no_flags_and_no_configs():
    for module, path in SOURCES.items():
        if package_of(module).split(".")[0] not in ("experiments", "configs"):
            roots = {name.split(".")[0] for name in imports(path)}
            assert not roots & {"absl", "ml_collections"}, module


def test_importing_pathjax_imports_nothing_heavy():
    code = f"import sys, pathjax; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_registry_and_own_import_modules_by_name():
    for module, path in SOURCES.items():
        if module not in ("pathjax.experiments.registry", "pathjax.experiments.own"):
            text = path.read_text()
            assert "import_module(" not in text and "__import__(" not in text, module


def test_programs_are_started_under_their_installed_names():
    for path in SOURCES.values():
        assert not re.search(r'"-m", "(experiments|configs)', path.read_text()), path


def test_a_clone_that_is_not_installed_is_a_one_line_error(tmp_path):
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    done = subprocess.run([sys.executable, "-m", "experiments.main"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "pip install --editable" in done.stderr
