"""Data, networks, losses, optimizers, perturbations, interventions, observables and experiments of one's own."""

import re
import sys

import numpy as np
import pytest

from helpers.in_process import call, run
from pathjax.io import run_folder

MINE = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import pathjax
from pathjax.data import Dataset
from pathjax.interventions import Intervention

rng = np.random.default_rng(0)


def rings(data_dir):
    inputs = rng.normal(size=(240, 2)).astype(np.float32)
    labels = (np.linalg.norm(inputs, axis=1) > 1).astype(np.int32)
    return Dataset((inputs[:200], labels[:200]), (inputs[200:], labels[200:]), 2)


class Net(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.num_classes)(nn.tanh(nn.Dense(8)(x)))


def net(model, inputs_shape, num_classes):
    return Net(num_classes)


def smooth(predict):
    def loss_fn(params, examples):
        labels = optax.smooth_labels(jax.nn.one_hot(examples[1], 2), 0.1)
        return optax.softmax_cross_entropy(predict(params, examples[0]), labels)

    return loss_fn


def sgd(hparams):
    return optax.sgd(hparams["learning_rate"])


def largest(settings, parts):
    def read(carry, snapshot):
        return carry, {"largest": jnp.max(snapshot.state.params["Dense_0"]["kernel"])}

    variables = (pathjax.Variable("largest", (), "1", "largest weight"),)
    return pathjax.Observable(lambda snapshot: (), read, None, settings.measure.distance_every, "member", variables)


def wide(settings, parts):
    def read(carry, snapshot):
        return carry, {"wide": snapshot.state.params["Dense_0"]["bias"]}

    return pathjax.Observable(lambda s: (), read, None, 50, "member", (pathjax.Variable("wide", (), "1", "biases"),))


def ball(per_leaf):
    return pathjax.gaussian(per_leaf)


def shift(materials):
    def on_state(key, state, batch, epsilon):
        return state._replace(params=jax.tree.map(lambda w: w + epsilon, state.params))

    return Intervention(on_state, None)


number = 3


def wrong_type(*args):
    return "nothing"


def raises(*args):
    raise KeyError("two\\nlines")


def few(data_dir):
    return Dataset((np.zeros((5, 2), np.float32), np.zeros(4, np.int32)), (np.zeros((5, 2)), np.zeros(5)), 2)


def bad_loss(predict):
    return lambda params, examples: predict(params, examples[0]) @ examples[1]


def bad_net(model, inputs_shape, num_classes):
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x @ jnp.ones((3, 3))

    return Wide()
"""
OWN = (
    *("--config.data.name=mine:rings", "--config.model.name=mine:net", "--config.loss=mine:smooth"),
    *("--config.optimizer.name=mine:sgd", "--config.observables=mine:largest", "--config.perturbation.kind=mine:ball"),
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of one's own, beside nothing of the project's."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "broken.py").write_text("import nothing_of_this_name")
    (folder / "script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("mine", None)


def test_everything_of_ones_own_in_one_run(tmp_path, mine):
    small = ("--config.num_steps=50", "--config.data.batch_size=20")
    done = run(tmp_path / "run", *OWN, *small)
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run")
    assert found.trajectory.largest.dims == ("step", "member") and (found.trajectory.largest.values > 0).all()
    assert (found.trajectory.distance.values[:, 1] == 0).all() and (found.trajectory.distance.values[:, 3:] > 0).all()
    assert found.manifest["data"]["source"] == "mine:rings" and found.config["loss"] == "mine:smooth"


def test_an_intervention_of_ones_own_moves_weights_as_far_as_it_says(tmp_path, mine):
    flags = ("--config.perturbation.kind=mine:shift", "--config.perturbation.at_steps=2,", "--config.num_steps=4")
    small = ("--config.perturbation.num_seeds=1", "--config.perturbation.epsilons=0.01,", "--config.model.widths=4,")
    every = (f"--config.measure.{key}_every=4" for key in ("distance", "evaluation", "tangent"))
    done = run(tmp_path / "run", *flags, *small, *every, config="butterfly")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run").trajectory
    weights = 64 * 4 + 4 + 4 * 10 + 10
    np.testing.assert_allclose(found.intervention_size.values[-1, 3], 0.01 * weights**0.5, rtol=1e-3)


MISTAKES = {
    "data.name=absent:rings": "module 'absent' cannot be imported",
    "model.name=broken:net": "module 'broken' cannot be imported .ModuleNotFoundError",
    "model.name=script:net": "module 'script' cannot be imported .SystemExit: 3",
    "model.name=mine:absent": "module 'mine' has no 'absent'",
    "loss=mine:number": "loss=mine:number is a int: expected a function",
    "loss=mine:": "expected module:function",
    "loss=a b:c": "expected module:function",
    "data.name=mine:wrong_type": "returned a str: expected a pathjax.data.Dataset",
    "data.name=mine:few": "train has 5 inputs and 4 labels",
    "data.name=mine:raises": "failed .KeyError: 'two",
    "model.name=mine:wrong_type": "expected a network with init and apply",
    "model.name=mine:bad_net": "cannot be built into a run",
    "model.name=mine:ball": "failed .TypeError",
    "loss=mine:wrong_type": "expected loss_fn",
    "loss=mine:bad_loss": "cannot be built into a run",
    "loss=hinge": "unknown loss 'hinge': choose one of cross_entropy",
    "loss=squared_error": "has classes for labels",
    "optimizer.name=mine:wrong_type": "expected an optax optimizer",
    "perturbation.kind=mine:wrong_type": "expected a Perturbation",
    "perturbation.kind=mine:raises": "failed .KeyError",
    "observables=mine:wrong_type": "expected an Observable",
    "observables=mine:wide": "recorded 'wide' with shape .16,., but declares the dimensions",
    "observables=mine:largest,mine:absent": "has no 'absent'",
    "observables=mine:largest,mine:largest": "two observables record 'largest'",
    "experiment=mine:number": "expected an Experiment",
    "experiment=absent:EXPERIMENT": "module 'absent' cannot be imported",
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_every_mistake_in_ones_own_is_one_line_before_anything_is_written(tmp_path, mine, mistake):
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", f"--config.{mistake}")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and answer.stderr.startswith("error: ")
    assert re.search(MISTAKES[mistake], answer.stderr), answer.stderr
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_a_run_will_take_and_writes_nothing(tmp_path):
    answer = run(tmp_path / "run", "--dry_run")
    assert answer.returncode == 0, answer.stderr
    lines = dict(line.split(": ", 1) for line in answer.stdout.strip().splitlines())
    assert list(lines) == ["members", "memory", "disk", "time"] and not (tmp_path / "run").exists()
    assert lines["members"].startswith("7 (1 baseline, 1 replica, 1 roundoff, 4 perturbed), on 1 device, ")
    assert "of training, from 100 steps" in lines["time"]
