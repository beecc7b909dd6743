"""What results show of themselves: short, and without reading large or traced arrays."""

from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax.analysis.autocorrelation import two_time_correlation
from pathjax.analysis.covariance import cloud
from pathjax.analysis.exponents import exponent_curve
from pathjax.analysis.law_selection import select_law
from pathjax.core.display import describe
from pathjax.data.tfds import Prepared
from pathjax.data.types import Dataset
from pathjax.theory.systems import henon

KEY = jax.random.key(0)
DOUBLING = pathjax.map_dynamics(lambda x, batch: jax.tree.map(lambda leaf: 2 * leaf, x))


def results():
    """One of each public result, many members and records among them."""
    many = {f"w{i}": jnp.ones(4) for i in range(30)}
    ensemble = pathjax.perturbed_ensemble(
        KEY, DOUBLING, many, pathjax.gaussian(), epsilons=list(np.logspace(-3, 0, 9)), num_seeds=7
    )
    schedule = pathjax.batch_schedule(KEY, 100, 10, num_steps=50)
    measures = [pathjax.observables.weight_distance(), pathjax.observables.weight_norm()]
    parts = (DOUBLING, ensemble, jnp.zeros(100), schedule, measures)
    return {
        "Rollout": pathjax.rollout(*parts),
        "Chunk": next(pathjax.rollout_chunks(*parts)),
        "Ensemble": ensemble,
        "Members": ensemble.members,
        "State": ensemble.state,
        "Schedule": schedule,
        "LyapunovResult": pathjax.lyapunov_spectrum(KEY, henon, {"x": 0.1, "y": 0.1}, k=2, length=200),
    }


RESULTS = results()


class Cells(HTMLParser):
    """The text of a table's cells, if all tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


def parts_of_experiments():
    """Large data, and what else functions take and return, each with arrays that would fill a screen."""
    images = (np.broadcast_to(np.float32(0), (60_000, 28, 28, 1)), np.zeros(60_000, np.int32))
    weights = {f"layer_{i}": {"kernel": jnp.ones((99, 99))} for i in range(30)}
    steps = np.arange(0, 1001, 20)
    curves = (1 + 0.003 * steps) * np.exp(0.02 * np.random.default_rng(0).normal(size=(8, 4, 1)))
    network, state = pathjax.Network(weights), RESULTS["State"]
    step = pathjax.StepInfo(jnp.ones(66), weights)
    found = select_law(steps, curves)
    return {
        "Dataset": Dataset(images, images, 10, None, {"name": "mnist"}, {"probe": images}),
        "Prepared": Prepared(images, images, 10, {"source": "TFDS"}),
        "Network": network,
        "StepInfo": step,
        "Transition": pathjax.Transition(state, state, pathjax.Batch(images, None, KEY), step),
        "Snapshot": pathjax.Snapshot(state, state, images),
        "Dynamics": DOUBLING,
        "Observable": pathjax.observables.classification(lambda w, x: x, {"test": images}),
        "LoopState": RESULTS["Chunk"].loop,
        "Recorded": RESULTS["Rollout"].recorded[1],
        "Cloud": cloud(np.ones((1000, 66, 66))),
        "ExponentCurve": exponent_curve(np.ones(1000), every=1),
        "Selection": found,
        "LawFit": found.fits[found.best],
        "Curves": found.curves,
        "TwoTime": two_time_correlation(np.random.default_rng(0).normal(size=(100, 66))),
        "Swept": pathjax.stack_ensembles([RESULTS["Ensemble"]] * 2),
    }


PARTS = parts_of_experiments()


@pytest.mark.parametrize("name", PARTS)
def test_all_else_that_users_see_is_as_short(name):
    text = repr(PARTS[name])
    lines = text.splitlines()
    assert 1 < len(lines) < 30 and len(text) < 3000 and max(map(len, lines)) < 140 and " at 0x" not in text
    assert lines[0] == type(PARTS[name]).__name__
    parser = Cells()
    parser.feed(PARTS[name]._repr_html_())
    assert not parser.open and parser.cells[0] == lines[0]


def test_records_in_the_loop_are_shown_by_their_shapes():
    seen = []
    measures = [pathjax.observables.weight_norm()]
    schedule = pathjax.batch_schedule(KEY, 100, 10, num_steps=4)
    parts = (DOUBLING, RESULTS["Ensemble"], jnp.zeros(100), schedule, measures)
    pathjax.rollout(*parts, on_records=lambda chunk: seen.append(repr(chunk)))
    assert all(text.startswith("Chunk\n  step: ") and "weight_norm: float32[" in text for text in seen)


def test_functions_variables_and_arrays_are_described_by_name_and_shape():
    assert describe(describe) == "describe()" and describe(0.1 + 0.2) == "0.3"
    assert describe((np.zeros((60, 28)), np.zeros(60, int))) == "float64[60, 28], int64[60]"
    assert describe((("step", (0, 1)), 3)) == "('step', (0, 1)), 3"
    shown = repr(PARTS["Observable"])
    assert "variables: test_loss [nats], test_accuracy [1], test_agreement [1]" in shown
    assert "test: float32[60000, 28, 28, 1], int32[60000]" in shown
    roles = "1 baseline, 1 perturbed (epsilon 0.1), 1 independent"
    members = pathjax.Members(np.array(["baseline", "perturbed", "independent"]), np.array([0, 0.1, 0]), np.arange(3))
    assert members.described() == f"3: {roles}"
    assert describe(pathjax.to_dataset(RESULTS["Rollout"])).startswith("5 variables (")


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_shown_in_fewer_than_30_short_lines(name):
    text = repr(RESULTS[name])
    lines = text.splitlines()
    assert lines[0] == name and 1 < len(lines) < 30 and max(map(len, lines)) < 120
    parser = Cells()
    parser.feed(RESULTS[name]._repr_html_())
    assert not parser.open and parser.cells[0] == name and len(parser.cells) > 2


def test_roles_and_shapes_and_main_numbers_are_shown():
    text = repr(RESULTS["Rollout"])
    assert "members: 66: 1 baseline, 1 replica, 1 roundoff, 63 perturbed (epsilon 0.001 to 1)" in text
    assert "distance: float32[51, 66]" in text and "step: int32[66]: all 50" in text and "... 22 more" in text
    assert "indices: int32[50, 10]" in repr(RESULTS["Schedule"])
    spectrum = RESULTS["LyapunovResult"]
    shown = ", ".join(f"{value:.4g}" for value in np.asarray(spectrum.exponents))
    assert f"exponents: float32[2]: {shown}" in repr(spectrum)


def test_arrays_that_cannot_be_read_are_shown_by_their_shapes():
    seen = []
    jax.jit(lambda state: seen.append(repr(state)) or state.step)(RESULTS["State"])
    assert "step: int32[66]" in seen[0] and "all" not in seen[0]
    gone = jnp.ones(3)
    gone.delete()
    assert describe(gone) == "float32[3]"
    assert describe(np.zeros(20_000)) == "float64[20000]" and describe(np.arange(9)) == "int64[9]: 0, 1, 2, 3, ..., 8"


def test_long_texts_are_cut():
    assert len(describe("x" * 1000)) == 100 and "\n" not in describe({"a": "one\ntwo" * 50})
