"""The study of norms and the sphere: walks whose statistics are known; cells, tables and figures in short."""

import json

import numpy as np
import pytest

from helpers.in_process import call_program
from pathjax.experiments.runner import study
from pathjax.experiments.spheres import experiment as spheres
from pathjax.experiments.spheres.motion import BROWNIAN, motion_of


def walks(rng, on_sphere, drift=0.0, size=0.01, num=12, dim=2000, num_steps=40):
    """The statistics of walkers from a common start of norm 1."""
    start = rng.normal(size=dim) / dim**0.5
    start /= np.linalg.norm(start)
    along = rng.normal(size=dim) / dim**0.5
    w, path = np.tile(start, (num, 1)), [np.tile(start, (num, 1))]
    for _ in range(num_steps):
        w = w + size / dim**0.5 * rng.normal(size=w.shape) + drift * size * along
        w = w / np.linalg.norm(w, axis=1, keepdims=True) if on_sphere else w
        path.append(w)
    paths = np.array(path)
    moved = ((paths - start) ** 2).sum(-1)
    later = ((paths[-1] - paths[num_steps // 2]) ** 2).sum(-1)
    gram = paths @ paths.swapaxes(1, 2)
    return motion_of(np.arange(num_steps + 1), np.linalg.norm(paths, axis=-1), moved, later, gram)


def test_brownian_motion_on_a_sphere_has_its_statistics():
    found = np.array([walks(np.random.default_rng(i), on_sphere=True) for i in range(10)])
    # The participation ratio of 12 walkers in 2,000 dimensions is 11 / (1 + 11 / 2000) of isotropic ones.
    np.testing.assert_allclose(found.mean(0), BROWNIAN, atol=0.02)


def test_others_differ_in_what_they_should():
    plane = walks(np.random.default_rng(0), on_sphere=False, size=0.1)
    assert plane.radial == pytest.approx(1, abs=0.1) and plane.norm == pytest.approx(1.4**0.5, abs=0.02)
    assert plane.exponent == pytest.approx(1, abs=0.05)
    drift = walks(np.random.default_rng(0), on_sphere=True, drift=1.0, size=0.001)
    # <|D|^2> = size^2 (t + t^2): 1 / (1 + 1 / t) of it is drift.
    assert drift.common == pytest.approx(40 / 41, abs=0.01)
    assert drift.exponent > 1.9 and drift.spread == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_the_findings_on_spheres_are_those_of_the_committed_cells(tmp_path):
    files = sorted((study.REFERENCE / "spheres" / "cells").glob("*.json"))
    read = [json.loads(file.read_text()) for file in files]
    cells = [study.Cell(spheres.Design.model_validate(one["settings"]), one["outcome"]) for one in read]
    text = spheres.report(cells, tmp_path)
    assert all(
        figure in text for figure in ("1.268 [1.266, 1.27] *", "0.9165 [0.9146, 0.9185]", "1.108 [0.9177, 1.299]")
    )
    assert text.count("none of these laws") == 5


@pytest.mark.slow
def test_the_study_reports(monkeypatch, tmp_path):
    flags = ("--networks=0", "--num_inits=4", "--num_walkers=3", "--num_seeds=1", "--num_steps=80")
    done = call_program(monkeypatch, "spheres", f"--workdir={tmp_path}", *flags)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "spheres.json").read_text())["spheres"]["ReLU, SGD"]
    assert np.array(found["motion"]).shape == (4, len(BROWNIAN))
    ratio = np.array(found["gaussian"]) / np.array(found["sphere"])
    assert np.abs(np.log(ratio[:, 1])).max() < 0.1 and ratio[:, 1].std() > 0  # epsilon 0.01
    assert len(list(tmp_path.glob("*.png"))) == 3


@pytest.mark.parametrize("flag", ["--num_steps=90", "--num_inits=3", "--networks=9"])
def test_a_mistake_is_one_line(monkeypatch, tmp_path, flag):
    done = call_program(monkeypatch, "spheres", f"--workdir={tmp_path / 'new'}", flag)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()
