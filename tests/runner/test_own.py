"""Custom data, networks, losses, optimizers, perturbations, interventions, observables and experiments."""

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
    return optax.sgd(hparams["learning_rate"] * hparams.get("boost", 1.0))


def centralized(hparams):
    def subtract(updates, weights=None):
        return jax.tree.map(lambda g: g - g.mean() if g.ndim == 2 else g, updates)

    return optax.stateless(subtract)


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


def blank(data_dir):
    return rings(data_dir)._replace(train=(np.full((5, 2), np.nan, np.float32), np.zeros(5, np.int32)))


def vague(data_dir):
    return rings(data_dir)._replace(origin={"made": {1, 2}})


def one_logit(model, inputs_shape, num_classes):
    return Net(1)


def whole_loss(predict):
    return lambda params, examples: (predict(params, examples[0]).argmax(-1) != examples[1]).astype(int)


def boosted(hparams):
    return optax.sgd(hparams["boost"])


def update_fails(hparams):
    return optax.GradientTransformation(lambda params: (), lambda *args: 1 / 0)


def taken(settings, parts):
    return pathjax.observables.weight_distance(every=settings.measure.distance_every)


def read_fails(settings, parts):
    return wide(settings, parts)._replace(read=lambda carry, snapshot: 1 / 0)


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
    """A user's module, in a folder outside the project."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "broken.py").write_text("import nothing_of_this_name")
    (folder / "script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("mine", None)


def test_everything_of_ones_own_in_one_run(tmp_path, mine):
    small = ("--config.num_steps=50", "--config.data.batch_size=20", "--config.optimizer.boost=0.5")
    done = run(tmp_path / "run", *OWN, *small)
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run")
    assert found.trajectory.largest.dims == ("step", "member") and (found.trajectory.largest.values > 0).all()
    assert (found.trajectory.distance.values[:, 1] == 0).all() and (found.trajectory.distance.values[:, 3:] > 0).all()
    assert found.manifest["data"]["source"] == "mine:rings" and found.config["loss"] == "mine:smooth"
    assert found.config["optimizer"]["boost"] == 0.5 and set(found.manifest["sources"]) == {
        name.partition("=")[2] for name in OWN
    }


@pytest.mark.slow
def test_gradients_are_clipped_and_transformed_and_weights_decay_where_chosen(tmp_path, mine):
    decay = ("--config.optimizer.weight_decay=0.01", "--config.optimizer.decay_on=kernel$")
    chain = ("--config.optimizer.clip_norm=0.1", "--config.optimizer.clip_value=0.05")
    small = ("--config.num_steps=10", "--config.perturbation.num_seeds=1", "--config.perturbation.epsilons=0.01,")
    every = [f"--config.measure.{key}_every=10" for key in ("distance", "evaluation", "tangent")]
    flags = (
        *decay,
        *chain,
        *small,
        *every,
        "--config.measure.anchors=0,",
        "--config.optimizer.before=mine:centralized",
    )
    done = run(tmp_path / "run", *flags, config="smoke")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run")
    assert found.config["optimizer"]["clip_norm"] == 0.1 and "mine:centralized" in found.manifest["sources"]
    # At most rate * (norm after clipping + decay of the norm) a step.
    assert (found.trajectory.squared_displacement.values[-1] ** 0.5 < 10 * 0.1 * (0.1 + 0.01 * 20)).all()
    for flag, why in (
        ("optimizer.clip_norm=-1.0", "optimizer.clip_norm must be positive"),
        ("optimizer.decay_on=nothing", "pattern 'nothing' matches no leaf name"),
        ("optimizer.decay_on=(", "is not a valid regular expression"),
        ("optimizer.before=mine:largest", "optimizer.before=mine:largest"),
        ("optimizer.before=centralized", "expected your own, module:function"),
    ):
        wrong = run(tmp_path / "wrong", *flags, f"--config.{flag}", config="smoke")
        assert wrong.returncode == 2 and why in wrong.stderr and len(wrong.stderr.splitlines()) == 1, wrong.stderr
        assert not (tmp_path / "wrong").exists()


@pytest.mark.slow
def test_a_custom_intervention_moves_weights_by_its_epsilon(tmp_path, mine):
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
    "loss=mine:number": "loss=mine:number is an object of type int: expected a function",
    "loss=mine:": "expected module:function",
    "loss=a b:c": "expected module:function",
    "data.name=mine:wrong_type": "returned an object of type str: expected a pathjax.data.Dataset",
    "data.name=mine:few": "train has 5 inputs and 4 labels",
    "data.name=mine:raises": "failed .KeyError: 'two",
    "model.name=mine:wrong_type": "expected a network with init and apply",
    "data.name=mine:blank": "data.name=mine:blank: train has inputs that are NaN",
    "data.name=mine:vague": "data.name=mine:vague: origin must hold JSON types",
    "model.name=mine:bad_net": "model.name=mine:bad_net failed .TypeError",
    "model.name=mine:one_logit": "returned logits of shape .1, 8, 8, 1. for one example: expected .1, 10.",
    "loss=mine:whole_loss": "loss=mine:whole_loss: loss_fn returned int32, which has no gradient",
    "model.name=mine:ball": "failed .TypeError",
    "loss=mine:wrong_type": "expected loss_fn",
    "loss=mine:bad_loss": "loss=mine:bad_loss failed .TypeError",
    "loss=hinge": "unknown loss 'hinge': choose one of cross_entropy",
    "loss=squared_error": "has classes for labels",
    "optimizer.name=mine:boosted": "optimizer.name=mine:boosted finds no hyperparameter 'boost': give it, as in",
    "optimizer.name=mine:update_fails": "optimizer.name=mine:update_fails failed .ZeroDivisionError",
    "observables=mine:taken": "observables=mine:taken records 'distance', which is recorded already",
    "observables=mine:read_fails": "observables=mine:read_fails failed .ZeroDivisionError",
    "optimizer.name=mine:wrong_type": "expected an optax optimizer",
    "perturbation.kind=mine:wrong_type": "expected a Perturbation",
    "perturbation.kind=mine:raises": "failed .KeyError",
    "observables=mine:wrong_type": "expected an Observable",
    "observables=mine:wide": "recorded 'wide' with shape .16,., but declares the dimensions",
    "observables=mine:largest,mine:absent": "has no 'absent'",
    "observables=mine:largest,mine:largest": "observables=mine:largest records 'largest', which is recorded already",
    "experiment=mine:number": "expected an Experiment",
    "experiment=absent:EXPERIMENT": "module 'absent' cannot be imported",
}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.optimizer.boost=1.2.3"], "--config.optimizer.boost is invalid: expected a number"),
        (["--config.optimizer.boost=fast"], "--config.optimizer.boost is invalid: expected a number"),
        (["--config.optimizer.bost=1E-3"], "optimizer.name=mine:sgd does not read bost: leave it out"),
    ],
    ids=["dots", "word", "misspelled"],
)
@pytest.mark.parametrize("spelled", [["--config.optimizer.name=mine:sgd"], ["--config.optimizer.name", "mine:sgd"]])
def test_a_wrong_hyperparameter_of_a_custom_optimizer_is_one_line(tmp_path, mine, flags, message, spelled):
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", *spelled, *flags)
    assert answer.returncode == 2 and message in answer.stderr and answer.stderr.count("\n") == 1, answer.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_every_error_in_custom_code_is_one_line_before_anything_is_written(tmp_path, mine, mistake):
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", f"--config.{mistake}")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and answer.stderr.startswith("error: ")
    assert re.search(MISTAKES[mistake], answer.stderr), answer.stderr
    assert not (tmp_path / "run").exists()


def test_a_dry_run_prints_the_costs_of_a_run_and_writes_nothing(tmp_path):
    answer = run(tmp_path / "run", "--dry_run")
    assert answer.returncode == 0, answer.stderr
    lines = dict(line.split(": ", 1) for line in answer.stdout.strip().splitlines())
    assert list(lines) == ["members", "memory", "disk", "time"] and not (tmp_path / "run").exists()
    assert lines["members"].startswith("7 (1 baseline, 1 replica, 1 roundoff, 4 perturbed), on 1 device, ")
    assert "of training, from 100 steps" in lines["time"]
