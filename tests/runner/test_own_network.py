"""Your own networks by config, with a state that training carries and noise that it draws."""

import pathlib
import re
import sys

import jax
import numpy as np
import optax
import pytest
import xarray as xr
from flax import linen

from helpers.in_process import call, call_program, run
from pathjax.experiments.runner.own_network import loss_in_training
from pathjax.experiments.runner.task import cross_entropy
from pathjax.io import run_folder

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "recipes.md"
# The network of the page, and variants of it.
NETWORKS = """
import jax.numpy as jnp
from flax import linen

{of_the_page}

class Plain(linen.Module):
    num_classes: int

    @linen.compact
    def __call__(self, x):
        return linen.Dense(self.num_classes)(jnp.tanh(linen.Dense(8)(x.reshape(len(x), -1))))

    def apply_in_training(self, variables, inputs, key):
        return self.apply(variables, inputs), {{}}


def plain(model, inputs_shape, num_classes):
    return Plain(num_classes)


class Without:  # the same network, without a pass of its own for training
    def __init__(self, net):
        self.init, self.apply = net.init, net.apply


def evaluated(model, inputs_shape, num_classes):
    return Without(plain(model, inputs_shape, num_classes))


def forgotten(model, inputs_shape, num_classes):
    return Without(net(model, inputs_shape, num_classes))


class Odd(Net):
    def apply_in_training(self, variables, inputs, key):
        return super().apply_in_training(variables, inputs, key)[0]


def odd(model, inputs_shape, num_classes):
    return Odd(num_classes)


class Stateless(Net):
    def apply_in_training(self, variables, inputs, key):
        return super().apply_in_training(variables, inputs, key)[0], {{}}


def stateless(model, inputs_shape, num_classes):
    return Stateless(num_classes)


def twice(predict):
    return lambda params, examples: (predict(params, examples[0]) + predict(params, examples[0])).mean(-1)
"""
SWEEP = """
from pathjax.configs import sweep


def get_config():
    config = sweep.get_config()
    config.model.name = "networks:net"
    config.num_steps = 20
    config.perturbation.epsilons = (1e-3,)
    config.perturbation.num_seeds = 2
    config.sweep.continuous = {}
    config.sweep.static = {"noise": ("shared", "own")}
    config.measure.distance_every = config.measure.tangent_every = config.measure.evaluation_every = 20
    return config
"""
FEW = (
    *(
        "--config.num_steps=20",
        "--config.chunk_length=20",
        "--config.measure.anchors=0,",
        "--config.measure.distance_every=5",
    ),
    *("--config.measure.tangent_every=10", "--config.measure.evaluation_every=20"),
)


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """A user's module, in a folder outside the project."""
    folder = tmp_path / "own"
    folder.mkdir()
    (code,) = re.findall(r"## In a config.*?```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (folder / "networks.py").write_text(NETWORKS.format(of_the_page=code))
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("networks", None)


def trajectory(folder, *flags):
    done = run(folder, *FEW, *flags)
    assert done.returncode == 0, done.stderr
    return done, run_folder.open_run(folder).trajectory


@pytest.mark.slow
def test_a_network_with_a_state_and_own_noise_runs_from_a_config(tmp_path, networks):
    noise = ("--config.perturbation.noise=own", "--config.perturbation.num_noise_members=3")
    done, own = trajectory(tmp_path / "separate", "--config.model.name=networks:net", *noise)
    _, shared = trajectory(tmp_path / "shared", "--config.model.name=networks:net")
    assert own.role.values.tolist() == [*shared.role.values, *["noise"] * 3]
    assert (own.distance.values[:, 1] == 0).all() and (shared.distance.values[:, 1] == 0).all()
    assert (own.distance.values[0, -3:] == 0).all() and (own.distance.values[1:, -3:] > 0).all()
    # The same baseline, up to the rounding of wider tiles; noise takes members farther than a perturbation of .001.
    np.testing.assert_allclose(own.test_loss.values[:, 0], shared.test_loss.values[:, 0], rtol=1e-5)
    small = own.epsilon.values == 1e-3
    assert (own.distance.values[-1, small] > 3 * shared.distance.values[-1, small[:-3]]).all()
    last = own.distance.values[-1, -3:].astype(float)
    assert f"noise alone, last distance  {last.mean():.4g} ± {last.std(ddof=1):.4g}" in done.stdout
    words = f"differ in nothing else end at {last.mean():.4g} ± {last.std(ddof=1):.4g} (3 members"
    assert words in done.stdout and words in (tmp_path / "separate" / "report.html").read_text()


BUTTERFLY = (
    *("--config.num_steps=20", "--config.perturbation.at_steps=0,10", "--config.measure.distance_every=5"),
    *("--config.measure.tangent_every=10", "--config.measure.evaluation_every=20", "--config.perturbation.num_seeds=2"),
    *("--config.perturbation.epsilons=1,", "--config.model.name=networks:net"),
)


@pytest.mark.slow
def test_own_noise_from_a_step_on_is_an_intervention(tmp_path, networks):
    done = run(tmp_path / "run", *BUTTERFLY, "--config.perturbation.kind=noise", config="butterfly")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run").trajectory
    distance, later = found.distance.values, found.at_step.values == 10
    assert (distance[:3, later] == 0).all() and (distance[3:, later] > 0).all() and (distance[1:, 3:5] > 0).all()
    assert (distance[:, 1] == 0).all() and (found.test_barrier.values[-1, :2] < 1e-5).all()


@pytest.mark.slow
def test_the_barrier_of_a_network_with_statistics_is_that_with_recomputed_ones(tmp_path, networks):
    flags = (*BUTTERFLY, "--config.perturbation.kind=permutation")
    done = run(tmp_path / "run", *flags, config="butterfly")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run").trajectory
    # At the ends of a line, too, the statistics are recomputed, of all training examples in one batch.
    ends = found.test_line_loss.values[-1, 3:, [0, -1]]
    assert np.isfinite(ends).all() and (np.abs(ends[0] - found.test_loss.values[-1, 0]) > 1e-4).all()


@pytest.mark.slow
def test_the_kind_of_noise_is_an_axis_of_a_sweep(tmp_path, networks, monkeypatch):
    config = tmp_path / "own" / "swept.py"
    config.write_text(SWEEP)
    done = call_program(monkeypatch, "sweep", f"--config={config}", f"--workdir={tmp_path / 'sweep'}")
    assert done.returncode == 0, done.stderr
    shared, own = xr.open_dataset(tmp_path / "sweep" / "sweep.nc").distance.sel(noise=["shared", "own"]).values
    assert (own[-1, 3:] > 2 * shared[-1, 3:]).all() and "noise of their own" in done.stdout


@pytest.mark.slow
def test_a_pass_for_training_that_equals_evaluation_changes_no_bit(tmp_path, networks):
    _, one = trajectory(tmp_path / "one", "--config.model.name=networks:plain")
    _, other = trajectory(tmp_path / "other", "--config.model.name=networks:evaluated")
    for name in one:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


def test_the_loss_in_training_is_that_of_the_training_pass():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x, train):
            return linen.Dense(3)(linen.BatchNorm(use_running_average=not train)(x))

        def apply_in_training(self, variables, inputs, key):
            return self.apply(variables, inputs, True, mutable=["batch_stats"])

    net, key = Net(), jax.random.key(0)
    inputs, labels = 2 + jax.random.normal(key, (6, 4)), jax.random.randint(key, (6,), 0, 3)
    variables = net.init(key, inputs, False)
    stats = {"batch_stats": variables["batch_stats"]}
    losses, state = loss_in_training(net, True, cross_entropy, "float32")(
        variables["params"], stats, (inputs, labels), key
    )
    logits, new = net.apply(variables, inputs, True, mutable=["batch_stats"])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, state, dict(new))


MISTAKES = {
    "model.name=networks:forgotten": "it has the collections batch_stats beside params, which nothing updates",
    "model.name=networks:odd": "apply_in_training must return a pair",
    "model.name=networks:stateless": "in the collections none instead of batch_stats",
    "perturbation.noise=own": "members' own noise .* needs noise, and training draws none",
    "perturbation.noise=mine": "perturbation.noise is 'mine': expected 'shared' or 'own'",
    "perturbation.num_noise_members=2": "num_noise_members needs perturbation.noise 'own'",
    "perturbation.num_noise_members=-1": "num_noise_members -1 is out of range",
}


def test_own_noise_of_a_network_that_does_not_use_its_key_is_one_line(tmp_path, networks):
    flags = ("--config.model.name=networks:plain", "--config.perturbation.noise=own")
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", *flags)
    assert answer.returncode == 2 and "whose apply_in_training(variables, inputs, key) uses the key" in answer.stderr


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_is_one_line_before_anything_is_written(tmp_path, networks, mistake):
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", f"--config.{mistake}")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    assert re.search(MISTAKES[mistake], answer.stderr), answer.stderr
    assert not (tmp_path / "run").exists()


def test_a_loss_that_predicts_twice_is_one_line(tmp_path, networks):
    flags = ("--config.model.name=networks:net", "--config.loss=networks:twice")
    answer = call("--config=smoke", f"--workdir={tmp_path / 'run'}", *flags)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "calls predict 2 times" in answer.stderr, answer.stderr
