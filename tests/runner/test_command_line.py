"""Bad input on the command line: one line, exit status 2, nothing on disk."""

import subprocess
import sys

import pytest
from absl import flags

from helpers import in_process
from helpers.processes import ROOT
from pathjax.configs import smoke
from pathjax.core.errors import InputError
from pathjax.experiments import main
from pathjax.experiments.divergence import experiment as divergence
from pathjax.experiments.runner import command_line
from pathjax.experiments.runner.settings import parse_settings, plain, with_changes
from pathjax.experiments.runner.settings.reference import page
from pathjax.experiments.runner.setup import set_up


def parse(monkeypatch, *args, config="configs/smoke.py"):
    monkeypatch.delitem(sys.modules, "config_config", raising=False)  # ml_collections keeps the last file it loaded
    values = flags.FlagValues()
    argv = ["main", f"--config={config}", "--workdir=x", *args]
    command_line.parse_flags(values, argv, main.define_flags, main.REQUIRED, main.EXAMPLE)
    return values.config


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.optimizer.learning_rat=0.3", "the nearest is --config.optimizer.learning_rate"),
        ("--config.optimiser.learning_rate=0.3", "the nearest is --config.optimizer.learning_rate"),
        ("--config.epsilons=0.3", "the nearest is --config.perturbation.epsilons"),
        ("--config.sweep.continuous.seed=0,1", "this config has no sweep"),
        ("--config.optimizer.boost=1", "the nearest is --config.optimizer."),
        ("--config.num_steps=2.5", "expected an integer"),
        ("--config.num_steps=many", "expected an integer"),
        ("--config.optimizer.learning_rate=fast", "expected a number"),
        ("--config.perturbation.per_leaf=maybe", "per_leaf"),
        ("--config.optimizer=sgd", "--config.optimizer is a group of settings"),
        ("--confg=3", "confg"),
        ("--resume=perhaps", "resume"),
        ("extra", "'extra' is not a flag"),
    ],
)
def test_a_wrong_flag_is_a_one_line_error_with_status_2(monkeypatch, capsys, argument, message):
    with pytest.raises(SystemExit) as stop:
        parse(monkeypatch, argument)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and error.count("\n") == 1 and error.startswith("error: ")


@pytest.mark.parametrize("text", [None, "x = (", "x = 1", "def get_config(): return 1 / 0"])
def test_a_config_file_that_cannot_be_loaded_is_a_one_line_error(monkeypatch, capsys, tmp_path, text):
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as stop:
        parse(monkeypatch, config=str(path))
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "wrong", "meant"),
    [
        ("smoke", "optimizer.lr", "optimizer.learning_rate"),
        ("smoke", "lr", "optimizer.learning_rate"),
        ("smoke", "optimizer.beta_1", "optimizer.b1"),
        ("smoke", "epochs", "num_steps"),
        ("smoke", "model.hidden_sizes", "model.widths"),
        ("smoke", "data.vocab_size", "data.vocabulary_size"),
        ("smoke", "perturbation.epsilon", "perturbation.epsilons"),
        ("smoke", "measure.every", "measure.distance_every"),
        ("butterfly", "perturbation.when", "perturbation.at_steps"),
        ("hoogland2023", "seeds", "init_seeds"),
    ],
)
def test_a_wrong_key_names_the_nearest_by_meaning(monkeypatch, capsys, config, wrong, meant):
    with pytest.raises(SystemExit):
        parse(monkeypatch, f"--config.{wrong}=1", config=config)
    assert f"unknown setting --config.{wrong}: the nearest is --config.{meant}\n" in capsys.readouterr().err


NONE = ("memory_gib", "num_devices", "chunk_length", "data.num_train", "data.data_dir", "data.sha256", "loss")


def test_none_is_a_value_wherever_a_setting_may_have_none(monkeypatch):
    given = ("--config.memory_gib=1", "--config.optimizer.momentum=0.5", "--config.chunk_length=None")
    config = parse(monkeypatch, *given, *(f"--config.{key}=None" for key in NONE), "--config.optimizer.momentum=None")
    settings = parse_settings(config)
    assert settings.memory_gib is settings.chunk_length is settings.optimizer.momentum is settings.data.data_dir is None


@pytest.mark.parametrize("key", ["num_steps", "seed", "data.name", "optimizer.warmup_steps", "perturbation.per_leaf"])
def test_none_is_rejected_elsewhere(monkeypatch, key):
    with pytest.raises(InputError, match=f"{key} is None: expected"):
        parse_settings(parse(monkeypatch, f"--config.{key}=None"))


def test_axes_of_a_sweep_are_added_by_flags(monkeypatch):
    added = (
        "--config.sweep.continuous.seed=0,1",
        "--config.sweep.static.activation=relu,",
        "--config.sweep.static.width=8",
    )
    settings = parse_settings(parse(monkeypatch, *added, config="sweep"))
    assert settings.sweep.continuous["seed"] == (0, 1) and settings.sweep.static == {
        "activation": ("relu",),
        "width": (8,),
    }
    assert settings.sweep.continuous["momentum"] == (0.0, 0.5, 0.9)


def test_settings_are_immutable_and_changed_copies_are_validated():
    settings = parse_settings(smoke.get_config())
    with pytest.raises(ValueError, match="frozen"):
        settings.optimizer.learning_rate = 1.0
    assert with_changes(settings, {"optimizer.learning_rate": 1.0}).optimizer.learning_rate == 1.0
    with pytest.raises(InputError, match="num_steps 0 is out of range"):
        with_changes(settings, {"num_steps": 0})
    assert plain(settings) == smoke.get_config().to_dict()


def test_a_setting_of_another_experiment_is_rejected():
    config = smoke.get_config()
    with config.unlocked():
        config.measure.slow_every = 10
    with pytest.raises(
        InputError, match="the config has measure.slow_every, which experiment 'divergence' does not use"
    ):
        parse_settings(config)


def test_valid_flags_change_the_config(monkeypatch):
    config = parse(monkeypatch, "--config.optimizer.momentum=0.9", "--config.perturbation.epsilons=0.1,0.2")
    assert config.optimizer.momentum == 0.9 and config.perturbation.epsilons == (0.1, 0.2)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("perturbation.epsilons", (0.1, 2.5), "epsilon 2.5 is out of range"),
        ("perturbation.epsilons", (0.0,), "epsilon 0 is out of range"),
        ("perturbation.epsilons", ("a",), "perturbation.epsilons holds 'a': expected numbers"),
        ("perturbation.epsilons", (), "at least one epsilon"),
        ("perturbation.kind", "cube", "unknown perturbation.kind 'cube'"),
        ("perturbation.num_seeds", 0, "perturbation.num_seeds 0 is out of range"),
        ("data.batch_size", 1501, "batch size 1501 does not fit 1500 examples"),
        ("data.name", "minst", "unknown data set 'minst'"),
        ("num_steps", 0, "num_steps 0 is out of range"),
        ("num_steps", 130, "num_steps=130 must be a multiple of every=50; choose 150 steps"),
        ("model.activation", "rely", "unknown activation 'rely'"),
        ("model.widths", (2.5,), "model.widths holds 2.5: expected integers"),
        ("model.widths", (0,), "width 0"),
        ("optimizer.name", "sdg", "unknown optimizer 'sdg'"),
        ("optimizer.learning_rate", -1.0, "learning_rate -1 is out of range"),
        ("optimizer.b1", 0.9, "optimizer 'sgd' has no 'b1'"),
        ("seed", -1, "seed -1 is out of range"),
        ("measure.anchors", (5,), "anchor 5 is invalid"),
        ("measure.tangent_every", 3, "every=3 does not divide every=10"),
        ("measure.num_tangents", 100000, "100000 tangents do not fit"),
        ("measure.anchors", (), "at least one anchor"),
        ("measure.num_tangents", 0, "measure.num_tangents 0 is out of range"),
        ("chunk_length", 7, "chunk_length must be a multiple of the slowest cadence"),
    ],
)
def test_an_invalid_setting_is_a_one_line_error(key, value, message):
    config = smoke.get_config()
    with config.ignore_type():
        config.update_from_flattened_dict({key: value})
    with pytest.raises(InputError, match=message) as error:
        set_up(parse_settings(config), divergence.EXPERIMENT.observables)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_processes=2"], "--num_processes needs --distributed"),
        (["--distributed", "--coordinator=nonsense"], "must be HOST:PORT"),
        (["--distributed", "--coordinator=localhost:99999"], "must be HOST:PORT"),
        (["--distributed", "--coordinator=no.such.host.invalid:1234"], "unknown host 'no.such.host.invalid'"),
    ],
)
def test_processes_that_cannot_connect_fail_immediately(tmp_path, arguments, message):
    done = in_process.run(tmp_path / "run", *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


def test_the_program_itself_exits_with_2_and_writes_nothing(tmp_path):
    workdir = tmp_path / "run"
    command = [sys.executable, "-m", "experiments.main", "--config=configs/smoke.py", f"--workdir={workdir}"]
    done = subprocess.run([*command, "--config.data.batch_size=5000"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().endswith("choose 1 to 1500") and not workdir.exists()


def test_the_page_of_settings_matches_the_code():
    assert (ROOT / "docs" / "settings.md").read_text() == page(), "run make settings"
