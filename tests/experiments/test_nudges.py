"""Studies of nudges: losses by hand, plain loops, a linear model whose tail is known, the programs in short."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.in_process import call_program
from pathjax.analysis.boundaries import plane_of
from pathjax.data import load_dataset
from pathjax.experiments.critical_periods import experiment as periods
from pathjax.experiments.critical_periods.kinds import NUDGES, RATE, Task, loss_of
from pathjax.experiments.critical_periods.periods import period_of
from pathjax.experiments.nudges import experiment as nudges
from pathjax.experiments.runner import study
from pathjax.experiments.steering import experiment as steering
from pathjax.experiments.steering.linear import price_of_linear
from pathjax.experiments.steering.outcomes import Outcome
from pathjax.experiments.steering.starts import spheres_of
from pathjax.models import MLP
from pathjax.plots.boundaries import packed, unpacked


def by_hand(kind, task, params, examples, key, s):
    """The losses of kinds.py, written again with NumPy's log-sum-exp."""

    def ce(x, y):
        z = task.predict(params, x)
        return jax.scipy.special.logsumexp(z, axis=1) - z[jnp.arange(len(y)), y]

    x, y, x2, y2 = examples
    leaves = jax.tree.leaves(params)
    own = ce(x, y)
    match kind:
        case "l1":
            return own + s * sum(abs(leaf).sum() for leaf in leaves)
        case "l2":
            return own + s / 2 * sum((leaf**2).sum() for leaf in leaves)
        case "random push":
            force = jax.grad(lambda p: loss_of(kind, task)(p, examples, key, {"strength": s, "tilt_seed": 5}).mean())(
                params
            )
            plain = jax.grad(lambda p: loss_of(kind, task)(p, examples, key, {"strength": 0.0, "tilt_seed": 5}).mean())(
                params
            )
            signs = jax.tree.map(lambda a, b: (a - b) / s, force, plain)
            assert all(np.allclose(abs(leaf), 1, atol=1e-3) for leaf in jax.tree.leaves(signs))
            return own + s * sum((a * b).sum() for a, b in zip(leaves, jax.tree.leaves(signs), strict=True))
        case "learning rate":
            return (1 + s) * own
        case "label noise":
            which, shift = jax.random.split(key)
            flipped = jax.random.uniform(which, y.shape) < s
            return ce(x, jnp.where(flipped, (y + jax.random.randint(shift, y.shape, 1, 3)) % 3, y))
        case "example weights":
            weights = jnp.where(y == 0, 1 + s, 1.0)
            return own * weights * len(y) / weights.sum()
        case "adversarial examples":
            slope = jax.grad(lambda x: ce(x, y).sum())(x)
            return ce(x + s * jnp.sign(slope), y)
        case "injected examples":
            return own + s * ce(*task.injected).mean()
        case "another data set":
            return (1 - s) * own + s * ce(x2, y2)


@pytest.mark.parametrize("kind", NUDGES)
def test_losses_are_those_by_hand_and_plain_without_strength(kind, x64):
    key = jax.random.key(0)
    model = MLP((5,), 3, "tanh")
    x, x2 = jax.random.normal(key, (2, 8, 4))
    y, y2 = jnp.arange(8) % 3, jnp.arange(8) // 3
    params = model.init(key, x)["params"]
    task = Task(lambda p, inputs: model.apply({"params": p}, inputs), 3, (x2[:2], y2[:2]))
    for s in NUDGES[kind].strengths:
        found = loss_of(kind, task)(params, (x, y, x2, y2), key, {"strength": s, "tilt_seed": 5})
        np.testing.assert_allclose(found, by_hand(kind, task, params, (x, y, x2, y2), key, s), rtol=2e-5)
    plain = loss_of(kind, task)(params, (x, y, x2, y2), key, {"strength": 0.0, "tilt_seed": 5})
    expected = optax.softmax_cross_entropy_with_integer_labels(task.predict(params, x), y)
    np.testing.assert_allclose(plain, expected, rtol=1e-6)


def test_a_critical_period_comes_out_with_its_interval():
    onsets, rng = np.array(periods.ONSETS, float), np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        noise = 1 + 0.1 * rng.normal(size=(8, len(onsets)))
        found = period_of(onsets, rng.uniform(0.05, 0.15, (8, 1)) * np.exp(-onsets / 200) * noise)
        covered += found.rate.low < 1 / 200 < found.rate.high
    assert covered >= 88 and found.falls and found.is_exponential
    one_is_flat = np.exp(-onsets / 200) * np.array([[1.0]] * 7 + [[0.0]])
    np.testing.assert_allclose(period_of(onsets, one_is_flat).rate.value, 1 / 200, rtol=1e-4)


def test_what_is_no_critical_period_is_not_called_one():
    onsets = np.array(periods.ONSETS, float)
    late = period_of(onsets, 0.1 * np.exp(onsets / 800) * np.ones((3, 1)))
    assert late.rises and not late.falls and late.half.value == np.inf
    hump = period_of(onsets, onsets * np.exp(-onsets / 150) + 1e-3 * np.arange(3)[:, None])
    assert not hump.falls and not hump.is_exponential
    step = period_of(onsets, np.where(onsets > 0, 0.3, 1.0) + 1e-3 * np.arange(3)[:, None])
    assert step.falls and not step.is_exponential
    assert period_of(onsets, np.zeros((8, 7))) is None and period_of(onsets, np.ones((2, 7))) is None


def test_what_remains_equals_a_plain_loop(monkeypatch):
    """One nudge of the study in a loop of its own: with L2 for 20 steps from step 40."""
    monkeypatch.setattr(periods, "ONSETS", (0, 40))
    monkeypatch.setattr(periods, "DURATIONS", (20, 40))
    dataset = load_dataset("moons", num_train=48)
    design = periods.Design(data="moons", data_sha256="", kind="l2", width=6, num_inits=2, rest=20, num_test=50)
    found = np.array(periods.measure(dataset, design)["rested"])  # strength, duration, onset, init
    model, (x, y) = MLP((6,), 2, "relu"), dataset.train
    keys = jax.random.split(jax.random.key(0), 2)
    test = dataset.test[0][:50]

    @jax.jit
    def step(p, s):
        def loss(p):
            plain = optax.softmax_cross_entropy_with_integer_labels(model.apply({"params": p}, x), y).mean()
            return plain + s / 2 * sum((leaf**2).sum() for leaf in jax.tree.leaves(p))

        return jax.tree.map(lambda a, g: a - RATE * g, p, jax.grad(loss)(p))

    for init in range(2):
        start = model.init(keys[init], x[:1])["params"]
        ends = []
        for strength in (0.0, NUDGES["l2"].strengths[1]):
            p = start
            for t in range(80):
                p = step(p, strength if 40 <= t < 60 else 0.0)
            ends.append(np.asarray(jax.nn.softmax(model.apply({"params": p}, test)), float))
        p, q = ends
        middle = (p + q) / 2
        divergence = ((p * np.log(p / middle) + q * np.log(q / middle)) / 2).sum(1)
        np.testing.assert_allclose(found[1, 0, 1, init], np.sqrt(np.maximum(divergence, 0)).mean(), rtol=0.02)


def test_the_linear_models_tail_comes_out():
    found = price_of_linear(12.0, num=200, num_repeats=3)
    assert abs(found.bits - 12) < 1.5 and found.low < 12 < found.high


@pytest.mark.slow
def test_the_linear_models_tail_of_50_bits_comes_out_within_one():
    found = price_of_linear(50.0, seed=1)
    assert abs(found.bits - 50) < 1 and found.low < 50 < found.high


def test_starts_are_those_of_the_initializer_and_moves_keep_them():
    model = MLP((30,), 2)

    def init(key):
        return model.init(key, jnp.zeros((1, 2)))["params"]

    starts, rng = spheres_of(init), np.random.default_rng(0)
    vectors = starts.draw(rng, 500)
    moved = starts.move(rng, vectors, 0.4)
    drawn = jax.vmap(init)(jax.random.split(jax.random.key(1), 500))
    for own in (vectors, moved):
        for leaf, other in zip(jax.tree.leaves(starts.weights(own)), jax.tree.leaves(drawn), strict=True):
            assert leaf.shape == other.shape
            norms = np.linalg.norm(np.asarray(leaf).reshape(500, -1), axis=1)
            np.testing.assert_allclose(norms, np.linalg.norm(np.asarray(other).reshape(500, -1), axis=1), rtol=1e-4)
            assert abs(float(jnp.mean(leaf[:, 0])) / float(jnp.std(leaf[:, 0]))) < 5 / 500**0.5
    normal = MLP((30,), 2, weights=pathjax.models.Weights("kaiming_normal"))
    with pytest.raises(pathjax.InputError, match="choose initializer kaiming_sphere"):
        spheres_of(lambda key: normal.init(key, jnp.zeros((1, 2)))["params"])


def test_scores_are_0_without_and_1_with_the_nudge():
    rng = np.random.default_rng(0)
    plain, nudged = rng.uniform(size=(2, 30, 9))
    outcome = Outcome(plain.mean(0), nudged.mean(0) - plain.mean(0), rng.dirichlet(np.ones(9)))
    assert abs(outcome.score(plain).mean()) < 1e-12 and abs(outcome.score(nudged).mean() - 1) < 1e-12
    with pytest.raises(pathjax.InputError, match="the nudge changes no prediction"):
        outcome._replace(toward=np.zeros(9)).score(plain)


SHORT = {
    "nudges": ["--data=moons", "--conditions=1", "--num_inits=3", "--num_steps=300"],
    "critical_periods": ["--kinds=l1,learning rate", "--num_inits=2", "--width=8", "--rest=20", "--num_test=20"],
    "steering": ["--data=moons", "--nudges=0,2", "--width=4", "--rest=20", "--num_plain=100", "--num=20", "--nolinear"],
}
WORDS = {
    "nudges": "first 100 steps, where data are",
    "critical_periods": "learning rate",
    "steering": "nudges cost more",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHORT))
def test_studies_run_in_short(monkeypatch, tmp_path, name):
    monkeypatch.setattr(study, "REFERENCE", tmp_path / "none")
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / name}", *SHORT[name])
    assert done.returncode == 0, done.stderr
    assert WORDS[name] in done.stdout and list((tmp_path / name).glob("*.png"))


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("nudges", ["--conditions=9"], "--conditions: unknown '9', choose numbers 0 to 5"),
        ("nudges", ["--num_steps=350"], "--num_steps=350 is out of range: choose a multiple of 100"),
        ("critical_periods", ["--kinds=l3"], "--kinds: unknown 'l3', choose numbers 0 to 8"),
        ("critical_periods", ["--rest=30"], "--rest=30 is out of range: choose a multiple of 20"),
        ("critical_periods", ["--data=slabs"], "inputs of shape (20,) have no other data set"),
        ("steering", ["--data=digits"], "--data: unknown 'digits', choose numbers 0 to 3"),
        ("steering", ["--num_plain=5"], "--num_plain=5 is out of range: choose 100 or more"),
    ],
)
def test_bad_flags_are_one_line(monkeypatch, tmp_path, name, flags, message):
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / 'none'}", *flags)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "none").exists()


def test_pictures_are_kept_and_conditions_change_what_they_name():
    counts = np.random.default_rng(0).integers(0, 21, (48, 48))
    assert (unpacked(packed(counts)) == counts).all()
    for condition in nudges.CONDITIONS:
        config = nudges.config_of(nudges.Design(data="xor", condition=condition, num_inits=3, num_steps=300))
        window = next(values["l1"] for arm, values in config.arms.items() if arm.startswith("first"))
        factor, steps = nudges.FACTORS.get(condition, (1, 100))
        assert window == (factor * 3e-3, 0, steps) and config.data.name == "xor"
    assert json.dumps(steering.NUDGED) and len(plane_of(np.eye(2)[[0, 1, 0]] + np.eye(3, 2)).points) == 48**2


FINDINGS = {
    "nudges": (
        nudges,
        [
            "0.001612 [9.71e-04, 0.002254]",
            "0.9158 [0.5279, 1.304]",
            "0.3458 [0.09563, 0.5961]",
            "0.2668 [0.08845, 0.4451]",
        ],
    ),
    "steering": (
        steering,
        [
            "1.175 [1.076, 1.28]",
            "14.66 [12.74, 16.59]",
            "6.054 [5.561, 6.547]",
            "33.61 [30.58, 36.65]",
            "50.31 [49.25, 51.36]",
        ],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_the_findings_are_those_of_the_committed_cells(tmp_path, name):
    program, figures = FINDINGS[name]
    cells = []
    for file in sorted((study.REFERENCE / name / "cells").glob("*.json")):
        read = json.loads(file.read_text())
        kind = program.Design if "known" not in read["settings"] else program.Linear
        cells.append(study.Cell(kind.model_validate(read["settings"], strict=False), read["outcome"]))
    text = program.report(cells, tmp_path)
    assert all(figure in text for figure in figures), text


@pytest.mark.slow
def test_the_findings_on_critical_periods_are_those_of_the_committed_cells(tmp_path):
    cells = []
    for file in sorted((study.REFERENCE / "critical_periods" / "cells").glob("*.json")):
        read = json.loads(file.read_text())
        cells.append(study.Cell(periods.Design.model_validate(read["settings"], strict=False), read["outcome"]))
    for data, figures in (
        ("digits", ["412 [290, 711]", "35 [25, 55]", "267 [235, 309]", "0.0309 [0.0292, 0.0327]", "1.269", "0.9312"]),
        ("mnist", ["558 [452, 728]", "570 [467, 732]", "0.0567 [0.054", "2.026", "1.378"]),
        ("moons", ["201 [162, 264]", "98 [63, 223]", "4.988", "0.00978 [0.00693, 0.0126]"]),
    ):
        text = periods.report([cell for cell in cells if cell.settings.data == data], tmp_path)
        assert all(figure in text for figure in figures), text
