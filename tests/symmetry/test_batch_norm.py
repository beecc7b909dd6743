"""Symmetries of networks with batch normalization act on running statistics too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax import observables as obs
from pathjax.interventions import intervened, of_permutation
from pathjax.measures.interpolation import Statistics
from pathjax.symmetry import infer_spec, match_weights, permute, random_permutation
from tests.helpers.batch_norm import INPUTS, KEY, LABELS, SCHEDULE, cross_entropy, ensemble, model, spec_of, trained


def test_planted_permutations_of_batch_norm_networks_are_recovered_and_keep_the_function():
    _, _, predict, _ = model()
    a, other = trained()
    spec = infer_spec(predict, a, INPUTS[:2])
    assert sorted(spec.sizes.values()) == [6, 8]
    assert spec.axes["model_state/BatchNorm_0/mean"] == spec.axes["params/BatchNorm_0/scale"]
    for seed in range(5):
        planted = random_permutation(jax.random.key(seed), spec)
        moved = permute(spec, planted, a)
        np.testing.assert_allclose(predict(*moved, INPUTS), predict(*a, INPUTS), rtol=1e-5, atol=1e-5)
        found = match_weights(spec, a, moved).permutation
        for group, permutation in found.items():
            assert np.asarray(planted[group])[permutation].tolist() == list(range(spec.sizes[group]))
        back = permute(spec, found, moved)
        jax.tree.map(np.testing.assert_array_equal, back, a)
    aligned = permute(spec, match_weights(spec, a, other).permutation, other)
    np.testing.assert_allclose(predict(*aligned, INPUTS), predict(*other, INPUTS), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_lines_between_batch_norm_networks_have_no_barrier_once_aligned_and_recomputed():
    dynamics, _, predict, recompute = model()
    a, other = trained()
    spec = infer_spec(predict, a, INPUTS[:2])
    planted = permute(spec, random_permutation(KEY, spec), a)
    others = jax.tree.map(lambda *leaves: jnp.stack(leaves), planted, other)
    sets, statistics = {"test": (INPUTS, LABELS)}, Statistics(recompute, INPUTS)
    members = ensemble(dynamics, a, independent=others)
    schedule = pathjax.batch_schedule(KEY, 40, 10, num_steps=1)
    measures = [
        obs.linear_connectivity(predict, sets, num_points=5, statistics=statistics),
        obs.alignment(spec, predict, INPUTS, sets=sets, num_points=5, statistics=statistics),
    ]
    found = pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, measures).records
    assert found["test_barrier"][0, 5] > 0.1 and found["aligned_test_barrier"][0, 5] < 1e-4
    assert found["aligned_distance"][0, 5] == 0 and (found["invariance_error"][0] < 1e-4).all()
    # In the middle: the loss of averaged weights, with the statistics of a pass over the examples.
    middle = jax.tree.map(lambda x, y: (x + y) / 2, a.params, other.params)
    stats = recompute(middle, a.model_state, INPUTS)
    expected = cross_entropy(predict(middle, stats, INPUTS), LABELS).mean()
    np.testing.assert_allclose(found["test_line_loss"][0, 6, 2], expected, rtol=1e-3)


def test_a_permutation_moves_statistics_and_momentum_along():
    dynamics, start, predict, _ = model()
    dynamics = intervened(dynamics, {"turn": of_permutation(spec_of(start))})
    grid = pathjax.InterventionGrid(at_steps=[3], epsilons=[1.0], num_seeds=1)
    members = pathjax.intervened_ensemble(KEY, dynamics, start, "turn", grid, hparams={"decay": 0.0})
    end = pathjax.rollout(dynamics, members, (INPUTS, LABELS), SCHEDULE, [obs.weight_distance()]).ensemble.state
    one, other = (jax.tree.map(lambda a, m=m: a[m], (end.params, end.model_state)) for m in (0, 3))
    assert not np.allclose(one[0]["Dense_0"]["kernel"], other[0]["Dense_0"]["kernel"], atol=1e-3)
    np.testing.assert_allclose(predict(*other, INPUTS), predict(*one, INPUTS), rtol=1e-4, atol=1e-4)
