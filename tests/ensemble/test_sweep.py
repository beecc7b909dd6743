"""Sweeps: each setting equals a separate run."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, schedule
from pathjax.engine import loop as compiled
from pathjax.engine.layout import member_mesh

obs = pathjax.observables
SETTINGS = [{"learning_rate": rate, "momentum": momentum} for rate in (0.05, 0.2) for momentum in (0.0, 0.5, 0.9)][:5]


def momentum(hparams):
    return optax.sgd(hparams["learning_rate"], hparams["momentum"])


@pytest.fixture(scope="module")
def problem():
    """A network that takes hyperparameters, its members at the first setting, and what is recorded."""
    key = jax.random.key(0)
    dynamics, params, examples = network(key, optimizer=momentum)
    members = ensemble(dynamics, params, key, num_seeds=3, hparams=SETTINGS[0])
    mean = pathjax.Observable(
        init=lambda snapshot: (),
        read=lambda carry, snapshot: (carry, {"mean": snapshot.state.params["w0"].mean(axis=(1, 2))}),
        update=None,
        every=8,
        scope="ensemble",
        variables=(pathjax.Variable("mean", ("which",), "1", "mean weight of each member"),),
    )
    measures = [obs.weight_distance(), obs.lyapunov(key, dynamics, 2, every=4), mean]
    return dynamics, members, examples, measures


def roll(problem, members, **options):
    dynamics, _, examples, measures = problem
    return pathjax.rollout(
        dynamics, members, examples, schedule(16), measures, options=pathjax.RolloutOptions(chunk_length=8, **options)
    )


@pytest.fixture(scope="module")
def one_by_one(problem):
    """Each setting as a separate ensemble."""
    dynamics, members, *_ = problem
    return [
        roll(problem, pathjax.Ensemble(jax.tree.map(lambda a: a[0], swept.state), swept.members))
        for swept in (pathjax.sweep(dynamics, members, [setting]) for setting in SETTINGS)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("num_devices", [None, 2, 8])
def test_each_setting_of_a_sweep_equals_a_separate_run(problem, one_by_one, num_devices):
    mesh = None if num_devices is None else member_mesh(num_devices)
    swept = roll(problem, pathjax.sweep(problem[0], problem[1], SETTINGS), mesh=mesh)
    for name, record in swept.records.items():
        assert record.shape[1] == len(SETTINGS), name
        for i, alone in enumerate(one_by_one):
            # Compiled differently, so equal up to rounding, which is all of the roundoff member's distance.
            np.testing.assert_allclose(record[:, i], alone.records[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for a, b in zip(jax.tree.leaves(swept.ensemble.state), _stacked(one_by_one), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert np.all(swept.records["distance"][:, :, :2] == 0.0)
    final = swept.records["distance"][-1, :, 3:].mean(-1)
    assert len(set(final.round(7))) == len(SETTINGS)  # each setting has its own result


def _stacked(results):
    return [np.stack(leaves) for leaves in zip(*(jax.tree.leaves(r.ensemble.state) for r in results), strict=True)]


def test_other_settings_are_not_compiled_again(problem):
    dynamics, members, *_ = problem
    roll(problem, pathjax.sweep(dynamics, members, SETTINGS))
    before = compiled.run_chunk._cache_size()
    roll(problem, pathjax.sweep(dynamics, members, [{"learning_rate": 0.3, "momentum": 0.1}] * len(SETTINGS)))
    assert compiled.run_chunk._cache_size() == before


def test_a_sweep_resumes_from_a_chunk(problem):
    dynamics, members, examples, measures = problem
    swept = pathjax.sweep(dynamics, members, SETTINGS)
    arguments = (dynamics, swept, examples, schedule(16), measures)
    uninterrupted = list(pathjax.rollout_chunks(*arguments, options=pathjax.RolloutOptions(chunk_length=8)))
    halfway = next(
        c for c in pathjax.rollout_chunks(*arguments, options=pathjax.RolloutOptions(chunk_length=8)) if c.step == 8
    )
    (last,) = pathjax.rollout_chunks(
        *arguments, resume=(8, halfway.loop), options=pathjax.RolloutOptions(chunk_length=8)
    )
    for name, record in last.records.items():
        np.testing.assert_array_equal(record, uninterrupted[-1].records[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "settings is empty"),
        ([{"learning": 0.1}], "no hyperparameter 'learning' to sweep; choose one of: learning_rate, momentum"),
        ([{"learning_rate": 0.1}, {"momentum": 0.1}], r"\['learning_rate'\] and \['momentum'\]"),
    ],
)
def test_invalid_sweeps_raise(problem, settings, message):
    with pytest.raises(pathjax.InputError, match=message):
        pathjax.sweep(problem[0], problem[1], settings)


def test_hyperparameters_that_are_not_swept_keep_their_values(problem):
    dynamics, members, *_ = problem
    swept = pathjax.sweep(dynamics, members, [{"learning_rate": 0.05}, {"learning_rate": 0.2}])
    assert np.all(swept.state.hparams["momentum"] == SETTINGS[0]["momentum"])
    np.testing.assert_array_equal(swept.state.hparams["learning_rate"][:, 0], np.float32([0.05, 0.2]))


@pytest.mark.slow
def test_36_settings_are_one_program_and_equal_36_runs(key):
    """Learning rates x momenta x weight decays, of 12 members each."""

    def build(h):
        sgd = optax.sgd(h["learning_rate"], momentum=h["momentum"])
        return optax.chain(optax.add_decayed_weights(h["weight_decay"]), sgd)

    names = ("learning_rate", "momentum", "weight_decay")
    grid = itertools.product((0.01, 0.05, 0.1, 0.2), (0.0, 0.5, 0.9), (0.0, 1e-3, 1e-2))
    settings = [dict(zip(names, values, strict=True)) for values in grid]
    dynamics, params, examples = network(key, optimizer=build)
    members = ensemble(dynamics, params, key, epsilons=(0.01, 0.05, 0.1), num_seeds=3, hparams=settings[0])
    arguments = (examples, schedule(40), [obs.weight_distance(every=4)])
    before = compiled.run_chunk._cache_size()
    swept = pathjax.rollout(dynamics, pathjax.sweep(dynamics, members, settings), *arguments).records["distance"]
    assert compiled.run_chunk._cache_size() == before + 1 and swept.shape == (11, 36, 12)
    for i, setting in enumerate(settings):
        hparams = {name: jnp.full(12, value, jnp.float32) for name, value in setting.items()}
        alone = members._replace(state=members.state._replace(hparams=hparams))
        distance = pathjax.rollout(dynamics, alone, *arguments).records["distance"]
        np.testing.assert_allclose(swept[:, i, 3:], distance[:, 3:], atol=3 * distance[:, 2].max(), rtol=1e-6)
