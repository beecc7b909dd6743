"""Arms by config against plain loops: regularizers in windows of steps, for several initializations in one program."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.in_process import call, run
from pathjax.configs import nudge
from pathjax.experiments.arms.experiment import EXPERIMENT
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.setup import set_up
from pathjax.io import run_folder

SMALL = {"num_steps": 30, "init_seeds": (0, 3), "precision": "float64", "chunk_length": 10}
ARMS = {"always": {"l1": 1e-2}, "nudged": {"l1": (1e-2, 5, 12)}, "slow": {"learning_rate": 0.01}}
EVERY = {"distance_every": 5, "tangent_every": 10, "evaluation_every": 10}


def config(**changes):
    found = nudge.get_config()
    for name, value in (SMALL | changes).items():
        found[name] = value
    found.model.widths, found.arms, found.measure = (6,), ARMS, EVERY | {"max_train_examples": 100}
    return found


def log_odds(w, x):
    """The output of 2-6-1."""
    hidden = jax.nn.relu(x @ w["Dense_0"]["kernel"].T + w["Dense_0"]["bias"][None])
    return (hidden @ w["Dense_1"]["kernel"].T + w["Dense_1"]["bias"][None])[:, 0]


def by_hand(weights, x, y, strength_at, rate, num_steps):
    """Gradient descent on the whole set, with the L1 strength of each step."""

    def loss(w, strength):
        logistic = jnp.log1p(jnp.exp(jnp.where(y == 1, -1, 1) * log_odds(w, x)))
        return logistic.mean() + strength * sum(jnp.abs(leaf).sum() for leaf in jax.tree.leaves(w))

    step = jax.jit(lambda w, strength: jax.tree.map(lambda a, g: a - rate * g, w, jax.grad(loss)(w, strength)))
    for t in range(num_steps):
        weights = step(weights, strength_at(t))
    return weights


@pytest.mark.slow
def test_arms_of_a_config_equal_plain_loops(tmp_path, x64):
    path = tmp_path / "small.py"
    path.write_text("from tests.experiments.test_arms import config\n\n\ndef get_config():\n    return config()\n")
    done = run(tmp_path / "run", config=str(path))
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "run").trajectory
    arms = found.arm.values.tolist()
    assert arms == ["baseline"] * 3 + list(ARMS) and found.role.values.tolist()[3:] == ["arm"] * 3
    setup = set_up(parse_settings(config()), EXPERIMENT.observables)
    x, y = setup.examples
    strengths = {
        "baseline": (lambda t: 0.0, 0.1),
        "always": (lambda t: 1e-2, 0.1),
        "nudged": (lambda t: 1e-2 if 5 <= t < 12 else 0.0, 0.1),
        "slow": (lambda t: 0.0, 0.01),
    }
    points = np.stack([found.plane_x.values, found.plane_y.values], axis=1)
    for init in range(2):
        start = jax.tree.map(lambda a, i=init: a[i, 0], setup.ensemble.state.params)
        ends = {arm: by_hand(start, x, y, *strengths[arm], 30) for arm in strengths}
        flat = {arm: np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(end)]) for arm, end in ends.items()}
        for m in (0, 3, 4, 5):
            end = flat[arms[m]]
            np.testing.assert_allclose(found.weight_norm.values[-1, init, m], np.linalg.norm(end), rtol=1e-9)
            expected = np.linalg.norm(end - flat["baseline"])
            np.testing.assert_allclose(found.distance.values[-1, init, m], expected, rtol=1e-9, atol=1e-12)
            chosen = log_odds(ends[arms[m]], points) > 0
            np.testing.assert_array_equal(found.plane_decision.values[-1, init, m], chosen)
    assert abs(found.plane_near.values.sum() - 1) < 1e-12 and len(found.attrs["plane_examples"]) == 3 * len(x)
    assert (found.distance.values[:, :, 1] == 0).all() and "first" not in done.stderr


WINDOWS = {
    "{'l1': (1e-3, 5, 5)}": "windows.l1 is from step 5 until 5: choose a first step before the last",
    "{'l1': (1e-3, 99, 100)}": "windows.l1 is from step 99 until 100",
    "{'l1': 1e-3}": "expected .value, from, until.",
    "{'momentum': (0.9, 0, 5)}": "unknown hyperparameter 'momentum' in windows or arms: choose one of learning_rate",
    "{'l1': (-1.0, 0, 5)}": "windows.l1 is -1: choose 0 or more",
}


@pytest.mark.parametrize(
    "windows", [pytest.param(one, marks=pytest.mark.slow if i > 1 else ()) for i, one in enumerate(WINDOWS)]
)
def test_a_wrong_window_is_one_line(tmp_path, windows):
    path = tmp_path / "wrong.py"
    path.write_text(
        f"from tests.experiments.test_arms import config\n\n\ndef get_config():\n    return config(windows={windows})\n"
    )
    answer = call(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    assert re.search(WINDOWS[windows], answer.stderr), answer.stderr
    assert not (tmp_path / "run").exists()
