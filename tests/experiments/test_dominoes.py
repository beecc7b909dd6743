"""Dominoes: planted learning curves, a run against plain loops, and the studies in short."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

from helpers.in_process import call_program, run
from pathjax.analysis.curve_fits import logistic
from pathjax.experiments.dominoes.half_times import first_learned, half_times, spreads
from pathjax.experiments.dominoes.model import best_preference, conflicts, fits, together
from pathjax.experiments.dominoes.summary import summarize
from pathjax.experiments.patterns import experiment as patterns
from pathjax.experiments.runner import study
from pathjax.experiments.screening import experiment as screening
from pathjax.experiments.simplicity import experiment as simplicity
from pathjax.io import run_folder

STEPS = np.arange(0, 1001, 10)
NUM_INITS, CHANCE = 6, 0.1
ROLES = ["baseline", "replica", "roundoff", "perturbed", "perturbed", "fork", "fork"]


def planted(preference="m", seed=0, sides=("m", "c")):
    """A trajectory of independent patterns: m at step 100, c at 300, with a spread of 10% between initializations."""
    rng = np.random.default_rng(seed)
    scale = np.exp(0.1 * rng.normal(size=(NUM_INITS, 1)) + 0.02 * rng.normal(size=(1, len(ROLES))))
    known = {
        side: np.stack([[logistic(STEPS, (0.9, 5 / b, b)) for b in row] for row in scale * at])
        for side, at in zip(sides, (100.0, 300.0), strict=True)
    }
    guess = (1 - known["m"]) * (1 - known["c"]) * CHANCE
    decides = {
        "m": {"m": known["m"], "c": known["c"] * (1 - known["m"])},
        "none": {"m": known["m"] * (1 - known["c"] / 2), "c": known["c"] * (1 - known["m"] / 2)},
    }[preference]
    arrays = {f"{side}_accuracy": CHANCE + (1 - CHANCE) * own for side, own in known.items()}
    arrays |= {f"conflict_{side}_accuracy": own + guess for side, own in decides.items()}
    arrays["both_accuracy"] = 1 - (1 - CHANCE) * (1 - known["m"]) * (1 - known["c"])
    arrays |= {f"{side}_randomized_auc": 0.5 + 0 * known[side] for side in "mc"}
    distance = np.where(np.array(ROLES)[:, None] == "replica", 0.0, 1.0) + 0 * known["m"]
    arrays |= {"distance": distance, "first_nonfinite": -1 + 0 * known["m"]}
    coords = {"role": ("member", ROLES), "epsilon": ("member", [0, 0, 0, 0.1, 0.1, 0, 0]), "step": STEPS}
    return xr.Dataset({name: (("init", "member", "step"), own) for name, own in arrays.items()}, coords), scale


ORIGIN = {
    "num_classes": 10,
    "counts": {"num": 10, "both": 10, "only_m": 0, "only_c": 0, "empty": 0, "rejected_m": 0, "rejected_c": 0},
    "dominoes": {"m": {"source": "upper"}, "c": {"source": "lower"}},
}


def test_planted_half_times_are_found():
    trajectory, scale = planted()
    # 0.9 / (1 + exp(-5 (t / b - 1))) is 1 / 2 at t = b (1 + log(1 / 0.8) / 5).
    at = scale * (1 + np.log(0.5 / 0.4) / 5)
    for side, b in (("m", 100), ("c", 300)):
        np.testing.assert_allclose(half_times(trajectory, side, CHANCE), at * b, rtol=0.002)


def test_spreads_of_half_times_are_those_of_the_members():
    trajectory, _ = planted()
    times = half_times(trajectory, "m", CHANCE)
    found = spreads(trajectory, times)
    assert list(found) == ["one rounding error", "epsilon 0.1", "another order of batches", "another initialization"]
    assert found["another initialization"].value == pytest.approx(times[:, 0].std(ddof=1))
    own = ((times[:, 3:5] - times[:, :1]) ** 2 / 2).mean() ** 0.5
    assert found["epsilon 0.1"].value == pytest.approx(own)
    orders = times[:, [0, 5, 6]].var(axis=1, ddof=1).mean() ** 0.5
    assert found["another order of batches"].value == pytest.approx(orders)
    assert all(one.low <= one.value <= one.high for one in found.values())


@pytest.mark.parametrize("preference", ["m", "none"])
def test_the_model_holds_where_it_made_the_curves(preference):
    trajectory, scale = planted(preference)
    assert together(trajectory, CHANCE).rms < 1e-12
    found = conflicts(trajectory, CHANCE)
    best = best_preference(found)
    assert best == f"{preference} preferred" and all(one.rms < 1e-12 for one in found[best].values())
    for side, b in (("m", 100), ("c", 300)):
        fit = fits(trajectory, CHANCE)[side]
        np.testing.assert_allclose(fit.of_units[:, 0], 0.9, rtol=1e-3)
        np.testing.assert_allclose(fit.of_units[:, 2], b * scale[:, 0], rtol=1e-3)


def test_the_verdict_says_what_was_first_and_how_sure():
    trajectory, _ = planted()
    summary, text = summarize(trajectory, ORIGIN)
    assert summary["first"]["members"] == {"m": 42, "c": 0}
    assert "Side m (upper) is learned first, in 6 of 6 initializations [share 0.5407 to 1, 95%]" in text
    assert summary["first"]["ratio"]["value"] == pytest.approx(3, rel=0.01)
    few, _ = summarize(trajectory.isel(init=slice(0, 3)), ORIGIN)
    assert few["verdict"].startswith("Which pattern is learned first cannot be told: side m (upper) in 3 of 3")
    swapped, _ = summarize(planted(sides=("c", "m"))[0], ORIGIN)
    assert "Side c (lower) is learned first" in swapped["verdict"] and "; side m (upper) takes " in swapped["verdict"]
    assert swapped["first"]["ratio"]["value"] == pytest.approx(1 / 3, rel=0.01)


def test_the_first_of_two_patterns():
    nan = np.nan
    found = first_learned([np.array([1.0, nan, nan, 5.0]), np.array([2.0, 5.0, nan, 5.0])])
    assert found.tolist() == [0, 1, -1, -1]


SHORT = (
    *("--config.num_steps=40", "--config.model.widths=16,", "--config.init_seeds=3,4", "--config.data.num_train=200"),
    *("--config.perturbation.num_seeds=1", "--config.measure.evaluation_every=20", "--config.precision=float64"),
)


@pytest.mark.slow
def test_a_run_equals_plain_loops(tmp_path, x64):
    done = run(tmp_path / "run", *SHORT, config="dominoes")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert all(words in page for words in ("Where images go", "Where does the model of patterns hold?", "share 0."))
    assert found.summary["replica_largest_distance"] == 0 and found.trajectory.order.values.tolist()[-2:] == [1, 2]

    from pathjax.configs import dominoes
    from pathjax.experiments.dominoes.experiment import EXPERIMENT
    from pathjax.experiments.runner.settings import parse_settings, with_changes
    from pathjax.experiments.runner.setup import set_up
    from pathjax.experiments.runner.task import dataset_of

    changes = {"num_steps": 40, "model.widths": (16,), "init_seeds": (3, 4), "data.num_train": 200}
    changes |= {"perturbation.num_seeds": 1, "measure.evaluation_every": 20, "precision": "float64"}
    settings = with_changes(parse_settings(dominoes.get_config()), changes)
    setup = set_up(settings, EXPERIMENT.observables)
    probes = dataset_of(settings.data).probes
    x, y = setup.examples

    def logits(w, inputs):
        flat = inputs.reshape(len(inputs), -1)
        hidden = jax.nn.relu(flat @ w["Dense_0"]["kernel"].T + w["Dense_0"]["bias"][None])
        return hidden @ w["Dense_1"]["kernel"].T + w["Dense_1"]["bias"][None]

    def loss(w, rows):
        return optax.softmax_cross_entropy_with_integer_labels(logits(w, x[rows]), y[rows]).mean()

    step = jax.jit(lambda w, rows: jax.tree.map(lambda a, g: a - 0.05 * g, w, jax.grad(loss)(w, rows)))
    for i, order in ((0, 0), (1, 2)):
        member = 0 if order == 0 else -1
        w = jax.tree.map(lambda leaf: leaf[i, 0], setup.ensemble.state.params)  # noqa: B023
        for rows in setup.schedule.indices[:, order]:
            w = step(w, rows)
        for name in ("m", "c", "both"):
            inputs, labels = probes[name]
            right = (np.asarray(logits(w, jnp.asarray(inputs[:200], float))).argmax(1) == labels[:200]).mean()
            own = found.trajectory[f"{name}_accuracy"].isel(init=i, member=member).values[-1]
            assert own == pytest.approx(right)
        inputs, labels = probes["conflict"]
        chosen = np.asarray(logits(w, jnp.asarray(inputs[:200], float))).argmax(1)
        for side in "mc":
            own = found.trajectory[f"conflict_{side}_accuracy"].isel(init=i, member=member).values[-1]
            assert own == pytest.approx((chosen == labels[side][:200]).mean())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.data.dominoes.both=0.9"], "choose 0.6 to 0.8"),
        (["--config.data.name=digits"], "not made of dominoes: choose data.name=dominoes"),
        (["--config.data.batch_size=None"], "num_orders needs batches"),
        (["--config.data.dominoes.m.reliability=1.5"], "data.dominoes.m.reliability 1.5 is out of range"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, flags, message):
    done = run(tmp_path / "run", *SHORT, *flags, config="dominoes")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


STUDIES = {
    "patterns": (patterns, ["--studies=0,3"], "Independence: of"),
    "screening": (screening, ["--delays=0,20"], "c: half-time together / alone"),
    "simplicity": (simplicity, ["--widths=2,16"], "learns it in most initializations"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STUDIES))
def test_studies_run_in_short(monkeypatch, tmp_path, name):
    _, flags, words = STUDIES[name]
    monkeypatch.setattr(study, "REFERENCE", tmp_path / "none")
    short = ("--num_inits=2", "--num_steps=100", "--num_train=200")
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / name}", *flags, *short)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout and list((tmp_path / name).glob("*.png"))


FINDINGS = {
    "patterns": (patterns, ["0.09485 [0.08851, 0.1016]", "2.375 [2.157, 2.614]", "0.3687 [0.3408, 0.3966]"]),
    "screening": (screening, ["79.14 [73.7, 84.59]", "0.7179 [0.6373, 0.8088]", "more than 23.56: screened off"]),
    "simplicity": (simplicity, ["24.11 [21.84, 26.39]", "in most initializations is 12 (some do from 12, from 16"]),
}


@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_the_findings_are_those_of_the_committed_cells(tmp_path, name):
    program, figures = FINDINGS[name]
    files = sorted((study.REFERENCE / name / "cells").glob("*.json"))
    read = [json.loads(file.read_text()) for file in files]
    cells = [study.Cell(program.Design.model_validate(one["settings"], strict=False), one["outcome"]) for one in read]
    text = program.report(cells, tmp_path)
    assert all(figure in text for figure in figures), text


def test_one_sided_views_and_contrasts_change_one_side_only():
    images = np.random.default_rng(0).uniform(size=(20, 4, 2, 1)).astype(np.float32)
    labels = np.arange(20, dtype=np.int32) % 3
    found = screening.contrasts((images, labels))
    for side, own, other in (("m", slice(0, 2), slice(2, 4)), ("c", slice(2, 4), slice(0, 2))):
        (first, first_labels), (second, second_labels) = found[side]
        assert (first[:, other] == second[:, other]).all() and not (first[:, own] == second[:, own]).all()
        np.testing.assert_allclose(np.sort(first[:, own], axis=0), np.sort(second[:, own], axis=0))
        assert (first_labels == second_labels).all()
        shown = screening.shows(images, side)
        assert (shown[:, own] == images[:, own]).all() and (shown[:, other] == 0).all()


def test_ratios_of_half_times_that_are_not_reached_are_lower_bounds():
    alone = {"half_times": {"c": [100.0, 110.0, 90.0]}}
    never = {"half_times": {"c": [None, None, 1000.0]}, "steps": [0, 2200], "delay": 200}
    found = screening.ratio_of(never, alone, "c")
    logs = np.log([2000 / 100, 2000 / 110, 1000 / 90])
    assert (
        found.value == pytest.approx(np.exp(logs.mean())) and found.missing == 2 and str(found).startswith("more than")
    )
