"""Induction heads: the score of synthetic attention, the step at which it rises, and the experiment."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import pathjax
from helpers.in_process import run
from pathjax import observables as obs
from pathjax.core.types import Snapshot, State
from pathjax.data.induction import induction, induction_targets
from pathjax.experiments.induction.summary import formation_steps, summarize
from pathjax.io import run_folder


def test_the_score_of_a_perfect_head_is_1_and_that_of_uniform_attention_has_a_closed_form():
    (_, _), (inputs, labels) = induction(context=16)
    inputs, labels = inputs[:20], labels[:20]
    targets = induction_targets(inputs, labels)
    perfect = np.zeros((1, 20, 2, 16, 16), np.float32)
    for n, places in enumerate(targets):
        for place, target in enumerate(places):
            perfect[0, n, 0, place, max(target, 0)] = 1
    perfect[0, :, 1] = np.tril(np.ones((16, 16))) / np.arange(1, 17)[:, None]

    def attention_fn(params, tokens):
        return params

    observable = obs.induction_score(attention_fn, inputs, targets, (1, 2))
    state = State(params=jnp.asarray(perfect), opt_state=(), hparams={}, step=jnp.zeros((), jnp.int32))
    _, record = observable.read((), Snapshot(state, state, observable.data))
    uniform = np.mean([1 / (place + 1) for row in targets for place, target in enumerate(row) if target >= 0])
    np.testing.assert_allclose(record["head_induction"], [[1, uniform]], rtol=1e-5)
    assert record["induction_score"] == record["head_induction"][0, 0]


def test_sequences_without_repetition_are_rejected():
    with pytest.raises(pathjax.InputError, match="no place has a target"):
        obs.induction_score(None, np.zeros((1, 3)), -np.ones((1, 3), int), (1, 1))


def made():
    """Returns members that form a head at steps 50, 50 and never, and independent ones at 70 and 90."""
    steps = np.arange(0, 101, 20)
    scores = np.array([np.clip((steps - at) / 40 + 0.5, 0, 1) for at in (50, 50, 1000, 70, 90)]).T
    coords = {"step": steps, "role": ("member", ["baseline", "perturbed", "perturbed", "independent", "independent"])}
    coords |= {"epsilon": ("member", [0, 0.1, 0.1, 0, 0]), "seed": ("member", [-1, 0, 1, -1, -1])}
    dims = ("step", "member")
    arrays = {"induction_score": scores, "distance": 0 * scores, "test_accuracy": 0 * scores + 0.5}
    return xr.Dataset({name: (dims, values) for name, values in arrays.items()}, coords)


def test_steps_are_interpolated_between_records_and_their_spread_is_reported_by_kind():
    trajectory = made()
    np.testing.assert_allclose(formation_steps(trajectory, 0.5), [50, 50, np.nan, 70, 90])
    trajectory["role"] = ("member", ["baseline", "replica", "perturbed", "independent", "independent"])
    summary, text = summarize(trajectory, 0.5)
    rows = {row["kind"]: row for row in summary["rows"]}
    assert rows["epsilon 0.1"]["num_formed"] == 0 and rows["other initializations"]["mean"] == 80
    np.testing.assert_allclose(rows["other initializations"]["sd"], np.std([70, 90], ddof=1))
    np.testing.assert_allclose(rows["other initializations"]["sd_error"], np.std([70, 90], ddof=1) / np.sqrt(2))
    assert "0 of 1" in text and "too few perturbed members" in text


@pytest.mark.slow
def test_the_experiment_reports_when_every_member_formed_a_head(tmp_path):
    small = ("--config.num_steps=40", "--config.measure.evaluation_every=20", "--config.optimizer.warmup_steps=9")
    few = ("--config.perturbation.num_seeds=1", "--config.num_independent=2", "--config.measure.formed=0.01")
    small += ("--config.model.widths=16,", "--config.data.context=16", "--config.data.vocabulary_size=32")
    done = run(tmp_path / "run", *small, *few, "--config.chunk_length=20", config="induction")
    assert done.returncode == 0 and "other initializations  2 of 2" in done.stdout, done.stderr
    kept = run_folder.open_run(tmp_path / "run")
    assert kept.trajectory.head_induction.sizes == {"step": 3, "member": 8, "layer": 1, "head": 4}
    np.testing.assert_array_equal(
        kept.trajectory.induction_score, kept.trajectory.head_induction.max(("layer", "head"))
    )
    assert (kept.trajectory.distance.values[:, 1] == 0).all()
    assert "Every member" in (tmp_path / "run" / "report.html").read_text()
    wrong = run(tmp_path / "mlp", "--config.model.name=mlp", "--config.data.name=digits", config="induction")
    assert wrong.returncode == 2 and "has no attention scores" in wrong.stderr
