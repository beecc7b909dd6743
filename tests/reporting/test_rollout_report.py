"""The page of any rollout: what was recorded decides what is drawn."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import InputError
from pathjax.plots.records import record

KEY = jax.random.key(0)
GROWING = pathjax.map_dynamics(lambda w, batch: jax.tree.map(lambda leaf: 1.5 * leaf, w))
PARAMS = {"a": jnp.ones(4), "b": jnp.ones((3, 2))}


@pytest.fixture(scope="module")
def result():
    ensemble = pathjax.perturbed_ensemble(KEY, GROWING, PARAMS, pathjax.on_sphere(), epsilons=[0.01, 0.1], num_seeds=3)
    schedule = pathjax.full_batch_schedule(4, num_steps=20)
    measures = [obs.weight_distance(every=2), obs.weight_norm(), obs.lyapunov(KEY, GROWING, 2, every=4)]
    return pathjax.rollout(GROWING, ensemble, jnp.zeros(4), schedule, measures)


def test_a_page_has_a_figure_of_each_record_and_the_last_values(result, tmp_path):
    path = pathjax.report(result, tmp_path / "new" / "page", title="Growth & <chaos>")
    text = path.read_text()
    names = sorted(result.records)
    assert sorted(p.stem for p in (path.parent / "figures").iterdir()) == names
    assert text.count("data:image/png;base64,") == len(names)
    assert "Growth &amp; &lt;chaos&gt;" in text and "20 steps. Members: 9: 1 baseline" in text
    assert "class='verdict'" not in text  # it has nothing to say
    rows = re.findall(r"<tr><td>(\w+)</td><td>(.*?)</td><td>(.*?)</td>", text)
    norm = {name: (unit, value) for name, unit, value in rows}["weight_norm"]
    assert norm[0] == "weight" and float(norm[1]) == pytest.approx(10**0.5 * 1.5**20, rel=2e-3)  # three digits
    again = pathjax.report(result, path.parent, title="Growth & <chaos>")
    assert again.read_text() == text


def drawn(result, name):
    axes = Figure().subplots()
    record(axes, pathjax.to_dataset(result), name)
    return axes


def test_members_are_lines_and_their_medians(result):
    axes = drawn(result, "distance")
    thick = [line for line in axes.lines if line.get_linewidth() == 1.8]
    expected = np.median(result.records["distance"][:, 3:6], axis=1)
    np.testing.assert_allclose(thick[0].get_ydata(), expected, rtol=1e-6)
    np.testing.assert_array_equal(thick[0].get_xdata(), np.arange(0, 21, 2))
    assert axes.get_yscale() == "log" and axes.get_ylabel() == "distance [weight]"


def test_several_numbers_are_those_of_the_baseline_or_of_the_largest_epsilon(result):
    lines = drawn(result, "log_growth").lines
    np.testing.assert_allclose([line.get_ydata() for line in lines], result.records["log_growth"].T)
    lines = drawn(result, "leaf_distance").lines  # 0 for the baseline
    expected = np.median(result.records["leaf_distance"][:, 6:], axis=1)
    np.testing.assert_allclose([line.get_ydata() for line in lines], expected.T, rtol=1e-6)


def test_many_numbers_are_a_picture():
    wide = pathjax.map_dynamics(lambda w, batch: 1.1 * w)
    ensemble = pathjax.independent_ensemble(wide, jnp.ones((2, 20)))
    many = [obs.lyapunov(KEY, wide, 14, every=2)]
    found = pathjax.rollout(wide, ensemble, jnp.zeros(4), pathjax.full_batch_schedule(4, 6), many)
    axes = drawn(found, "log_growth")
    (mesh,) = axes.collections
    np.testing.assert_allclose(mesh.get_array(), found.records["log_growth"].T)


def test_rollouts_that_have_no_page_are_refused_in_one_line(result, tmp_path):
    with pytest.raises(InputError, match="nothing was recorded: give the rollout observables"):
        pathjax.report(result._replace(recorded=()), tmp_path)
    state = result.ensemble.state
    sweep = state._replace(step=jnp.stack([state.step, state.step]))
    with pytest.raises(InputError, match="a report is of one rollout, not of a sweep"):
        pathjax.report(result._replace(ensemble=result.ensemble._replace(state=sweep)), tmp_path)
    assert not list(tmp_path.iterdir())
