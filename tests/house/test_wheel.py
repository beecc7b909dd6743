"""The wheel holds the library, the experiments and the configs, and runs outside a clone."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from helpers.processes import ROOT

pytestmark = pytest.mark.slow  # downloads the build's dependencies


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Returns a folder with the wheel's contents."""
    built, folder = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("site")
    # Copied, so that no earlier build is reused.
    shutil.copytree(ROOT, built / "source", ignore=shutil.ignore_patterns(".*", "build", "results", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={built}", built / "source"]
    subprocess.run(command, check=True)
    (wheel,) = built.glob("pathjax-*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_the_wheel_contains_every_module_and_data_file(unpacked):
    for source, installed in (("pathjax", ""), ("experiments", "experiments"), ("configs", "configs")):
        for path in (ROOT / source).rglob("*.*"):
            if path.suffix in (".py", ".html", ".typed"):
                assert (unpacked / "pathjax" / installed / path.relative_to(ROOT / source)).exists(), path


@pytest.mark.parametrize("config", ["smoke", str(ROOT / "configs" / "smoke.py")], ids=["name", "file"])
def test_a_run_by_name_and_by_file_outside_the_clone(unpacked, tmp_path, config):
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    where = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pathjax.experiments.main as m, pathjax.configs.smoke as c; print(m.__file__, c.__file__)",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(pathlib.Path(file).is_relative_to(unpacked) for file in where.split())
    pathjax = [sys.executable, "-c", "from pathjax.experiments.console import main; main()"]  # the console script
    command = [*pathjax, "run", f"--config={config}", "--workdir=x"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x" / "report.html").exists() and (tmp_path / "x" / "trajectory.nc").exists()
