"""Observables of models that carry a state: selected leaves, functions in evaluation mode."""

import functools

import jax
import numpy as np
import pytest

import pathjax
from pathjax import observables as obs
from pathjax.io.to_xarray import to_dataset
from pathjax.observables.selection import selected
from tests.helpers.batch_norm import INPUTS, KEY, LABELS, SCHEDULE, cross_entropy, ensemble, model


@pytest.mark.slow
def test_functions_are_compared_in_evaluation_mode_at_each_members_state():
    dynamics, start, predict, _ = model()
    members = ensemble(dynamics, start)
    sets = {"test": (INPUTS, LABELS)}
    measures = [obs.classification(predict, sets, every=4), obs.function_gram(predict, INPUTS, 5, every=4)]
    measures += [
        obs.function_autocorrelation(predict, INPUTS, every=4),
        obs.tangent_kernel(predict, INPUTS, LABELS, every=4),
    ]
    measures += [obs.function_space_lyapunov(KEY, dynamics, predict, INPUTS, every=4)]
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, measures)
    end = found.ensemble.state
    for m in range(5):
        params, stats = jax.tree.map(lambda a, m=m: a[m], (end.params, end.model_state))
        expected = cross_entropy(predict(params, stats, INPUTS), LABELS).mean()
        np.testing.assert_allclose(found.records["test_loss"][-1, m], expected, rtol=1e-5)
    assert np.isfinite(found.records["function_gram"]).all() and (found.records["kernel_distance"][:, 1] == 0).all()


def flat_members(tree):
    """The leaves of stacked members as one vector each, in double precision."""
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(tree)], 1)


def drawn(tree, key):
    """A direction as `weight_projections` draws it: a key for each leaf."""
    leaves = jax.tree.leaves(tree)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, leaf.shape[1:]) for k, leaf in zip(keys, leaves, strict=True)]
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in drawn])


@pytest.mark.slow
def test_observables_of_weights_measure_the_leaves_that_are_selected():
    dynamics, start, _, _ = model()
    chosen = {"select": lambda name: name.startswith("model_state"), "prefix": "stats_"}
    kinds = [obs.weight_distance, obs.weight_norm, obs.weight_angle, obs.weight_autocorrelation]
    kinds += [functools.partial(obs.norm_distance, 1), functools.partial(obs.weight_gram, 5)]
    kinds += [functools.partial(obs.weight_projections, KEY, 3)]
    measures = [kind(every=12, **options) for kind in kinds for options in ({}, chosen)]
    members = ensemble(dynamics, start)
    begin = jax.tree.map(np.asarray, members.state)
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, measures)
    end = found.ensemble.state
    for prefix, first, tree in (("", begin.params, end.params), ("stats_", begin.model_state, end.model_state)):
        flat, early = flat_members(tree), flat_members(first)
        away, norm = flat - flat[:1], np.linalg.norm(flat, axis=1)
        expected = {
            "distance": np.linalg.norm(away, axis=1),
            "weight_norm": norm,
            "distance_p1": np.abs(away).sum(1),
            "weight_gram": away @ away.T,
            "cosine": flat @ flat[0] / norm / norm[0],
            "autocorrelation": ((flat * early).sum(1) / norm / np.linalg.norm(early, axis=1))[:, None],
            "projections": np.stack([flat @ drawn(tree, key) for key in jax.random.split(KEY, 3)], 1),
        }
        for name, values in expected.items():
            np.testing.assert_allclose(found.records[prefix + name][-1], values, rtol=1e-4, atol=2e-6, err_msg=name)


def test_a_selection_of_nothing_is_one_line():
    dynamics, start, _, _ = model()
    measure = obs.weight_distance(select=lambda name: name.startswith("parameters"))
    with pytest.raises(pathjax.InputError, match="select must choose at least one float leaf .* params/Dense_0/kernel"):
        pathjax.rollout(dynamics, ensemble(dynamics, start), (INPUTS, LABELS), SCHEDULE, [measure])


def test_two_selections_have_dimensions_and_labels_of_their_own():
    dynamics, start, _, _ = model()
    one = {"select": lambda name: name == "params/Dense_0/kernel", "prefix": "kernel_"}
    other = {"select": lambda name: name.startswith("model_state"), "prefix": "stats_"}
    measures = [obs.weight_distance(every=12, **chosen) for chosen in ({}, one, other)]
    found = pathjax.rollout(dynamics, ensemble(dynamics, start), (INPUTS, LABELS), SCHEDULE, measures)
    data = to_dataset(found)
    assert data.kernel_leaf.values.tolist() == ["params/Dense_0/kernel"] and data.sizes["stats_leaf"] == 4
    assert data.stats_leaf.values[0] == "model_state/BatchNorm_0/mean"
    same = data.leaf_distance.sel(leaf="Dense_0/kernel").values
    np.testing.assert_array_equal(data.kernel_leaf_distance.isel(kernel_leaf=0).values, same)
    assert data.stats_distance.long_name == "2-norm distance of the selected leaves to the baseline's"


@pytest.mark.parametrize(
    ("select", "message"),
    [(lambda: True, "select.'.*'. failed"), (lambda name: 3, "returned 3")],
)
def test_a_mistake_in_a_selection_names_it(select, message):
    dynamics, start, _, _ = model()
    measure = obs.weight_norm(select=select)
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.rollout(dynamics, ensemble(dynamics, start), (INPUTS, LABELS), SCHEDULE, [measure])


def test_a_selection_that_is_no_function_is_one_line():
    with pytest.raises(pathjax.InputError, match="select must be a function, not 'params'"):
        selected(model()[1], "params")


def test_equal_selections_are_equal_observables():
    made = [obs.weight_distance(select=lambda name: name.startswith("params/D")) for _ in range(2)]
    assert made[0] == made[1] and hash(made[0]) == hash(made[1])
