"""Networks, data and schedules by name in a config, and one-line errors for invalid combinations."""

import gzip
import importlib
import json

import jax
import numpy as np
import pytest

import pathjax
from helpers.in_process import run
from pathjax import models
from pathjax.data import load_dataset
from pathjax.experiments.runner import task
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.setup import set_up
from pathjax.io import run_folder


def config_of(name="smoke", **changes):
    config = importlib.import_module(f"pathjax.configs.{name}").get_config()
    config.update_from_flattened_dict(changes)
    return config


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """Texts whose class depends on one word."""
    file = tmp_path_factory.mktemp("texts") / "reviews.jsonl.gz"
    rng = np.random.default_rng(0)
    words = ["film", "plot", "of", "the", "a", "with", "scene"]
    rows = [{"text": " ".join([*rng.choice(words, 5), ("dull", "lovely")[i % 2]]), "label": i % 2} for i in range(300)]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return file


@pytest.mark.slow
def test_every_model_is_chosen_by_name(reviews, tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 50)
    for name, data in {
        "mlp": {},
        "cnn": {},
        "resnet": {},
        "vit": {},
        "text_classifier": {"data.name": "jsonl", "data.data_dir": str(reviews)},
        "transformer": {"data.name": "text", "data.data_dir": str(tmp_path / "text.txt"), "data.context": 16},
    }.items():
        for parametrization in models.PARAMETRIZATIONS:
            config = config_of(**{"model.name": name, "model.parametrization": parametrization}, **data)
            made = task.make_task(parse_settings(config))
            inputs, labels = (a[:2] for a in made.dataset.train)
            params = jax.eval_shape(made.model.init, jax.random.key(0), inputs)["params"]
            assert jax.eval_shape(made.loss_fn, params, (inputs, labels)).shape == (2,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.name": "rnn"}, "unknown model 'rnn': choose one of mlp, cnn"),
        ({"model.name": "transformer"}, "model 'transformer' takes texts for .*, but the data are images: choose mlp"),
        ({"model.name": "text_classifier"}, "model 'text_classifier' takes texts with a class each"),
        ({"model.name": "cnn", "data.name": "moons"}, "model 'cnn' takes images, .*data are numbers: choose mlp"),
        ({"data.name": "induction"}, "model 'mlp' takes numbers, .*but the data are sequences: choose transformer"),
        ({"model.name": "vit", "model.patch_size": 3}, "patch_size 3 does not divide images of 8 x 8"),
        ({"model.name": "vit", "model.num_heads": 3}, "3 heads do not divide a width of 16"),
        ({"model.name": "vit", "model.widths": (16, 8)}, "residual blocks must be equal"),
        ({"model.name": "cnn", "model.widths": ()}, "model 'cnn' needs widths"),
        ({"model.name": "resnet", "model.norm": "batch"}, "unknown norm 'batch': choose one of layer, group"),
        ({"model.initializer": "zeros"}, "unknown initializer 'zeros'"),
        ({"model.bias_initializer": "ones"}, "unknown bias_initializer 'ones'"),
        ({"model.parametrization": "mUP"}, "unknown parametrization 'mUP': choose one of standard, ntk, mup, family"),
        ({"model.parametrization": "family", "model.family": 1.5}, "s 1.5 of the parametrization is out of range"),
        ({"model.base_width": 0}, "model.base_width 0 is out of range"),
        ({"optimizer.schedule": "step"}, "unknown schedule 'step'"),
        ({"optimizer.warmup_steps": 200}, "a warm-up of 200 steps does not fit into 200"),
        ({"data.name": "teacher_student"}, "has real-valued labels, and experiment 'divergence' needs classes"),
        ({"data.sha256": "0" * 64}, "has SHA-256 .*, but 0{64} was expected"),
        ({"data.num_train": 10**6}, "num_train"),
        ({"data.name": "text", "data.data_dir": "/absent.txt", "model.name": "transformer"}, "absent.txt"),
        ({"data.name": "jsonl", "data.data_dir": "/absent.jsonl", "model.name": "text_classifier"}, "absent.jsonl"),
    ],
)
def test_an_invalid_combination_is_a_one_line_error(changes, message):
    with pytest.raises(pathjax.InputError, match=message) as caught:
        set_up(parse_settings(config_of(**changes)), lambda settings, parts: [])
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_data_of_a_config_equal_those_of_load_dataset_and_their_origin_is_recorded(tmp_path):
    flags_ = ("--config.data.num_train=200", "--config.data.balanced=True", "--config.data.standardize=True")
    done = run(tmp_path / "run", *flags_, "--config.data.batch_size=50", "--config.num_steps=50")
    assert done.returncode == 0, done.stderr
    origin = run_folder.open_run(tmp_path / "run").manifest["data"]
    dataset = load_dataset("digits", num_train=200, balanced=True, standardize=True)
    assert origin["sha256"] == dataset.origin["sha256"] and origin["sizes"]["train"] == 200
    again = run(tmp_path / "again", *flags_, f"--config.data.sha256={'0' * 64}")
    assert again.returncode == 2 and "was expected" in again.stderr and not (tmp_path / "again").exists()


@pytest.mark.slow
def test_a_convolutional_network_runs_with_tangents_in_any_parametrization_and_schedule(tmp_path):
    named = ("--config.model.name=cnn", "--config.model.widths=4,", "--config.model.parametrization=mup")
    scheduled = ("--config.optimizer.schedule=cosine", "--config.optimizer.warmup_steps=10", "--config.num_steps=100")
    done = run(tmp_path / "cnn", *named, *scheduled)
    assert done.returncode == 0, done.stderr
    assert "cnn (widths 4, mup parametrization)" in (tmp_path / "cnn" / "report.html").read_text()
    trajectory = run_folder.open_run(tmp_path / "cnn").trajectory
    assert (trajectory.distance.values[:, 1] == 0).all()
    ratio = trajectory.linear_response_ratio.sel(member=trajectory.epsilon == 1e-3)
    assert (np.abs(ratio.values - 1) < 0.05).all()  # tanh: tangents predict the distance


@pytest.mark.slow
def test_texts_with_classes_are_learned_by_all_members(tmp_path, reviews):
    small = ("--config.num_steps=100", "--config.measure.evaluation_every=100", "--config.measure.tangent_every=100")
    own = ("--config.init_seeds=0,", "--config.data.batch_size=16", "--config.optimizer.learning_rate=0.01")
    done = run(tmp_path / "run", f"--config.data.data_dir={reviews}", *small, *own, config="reviews")
    assert done.returncode == 0, done.stderr
    assert (run_folder.open_run(tmp_path / "run").trajectory.test_accuracy.values[-1] > 0.9).all()


@pytest.mark.slow
def test_a_regression_is_learned(tmp_path):
    small = ("--config.num_steps=200", "--config.measure.evaluation_every=100", "--config.init_seeds=0,")
    named = ("--config.data.name=teacher_student", "--config.optimizer.learning_rate=0.05")
    done = run(tmp_path / "run", *small, *named, config="hoogland2023")
    assert done.returncode == 0 and "test variance that the baseline explains" in done.stdout, done.stderr
    assert run_folder.open_run(tmp_path / "run").trajectory.test_r2.values[-1].min() > 0.5
