"""What results show of themselves: short, and without reading large or traced arrays."""

from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax.core.display import describe
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
