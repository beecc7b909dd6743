"""Equal programs compile once; a changed closed-over variable compiles again."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.derivatives import direction, early_directions, example_influence, forward, reverse
from pathjax.engine.loop import run_chunk
from pathjax.lyapunov import scan

obs = pathjax.observables


def one_rollout(traces):
    """A rollout with fresh functions and observables of all kinds, in several tiles; `traces` lists network calls."""
    key = jax.random.key(0)
    _, params, examples = network(key)

    def counted(params, inputs):
        traces.append(inputs.shape)
        return predict(params, inputs)

    def loss_fn(params, examples):
        return optax.softmax_cross_entropy_with_integer_labels(counted(params, examples[0]), examples[1])

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.adam(h["rate"]))
    members = ensemble(dynamics, params, key, hparams={"rate": 0.1})
    measures = [
        obs.norm_distance(1.0, every=2),
        obs.weight_autocorrelation((0, 2), every=2),
        obs.linear_connectivity(counted, {"test": examples}, every=4),
        obs.share_tangents(
            obs.lyapunov(key, dynamics, 2, every=2),
            obs.function_space_lyapunov(key, dynamics, counted, examples[0], 1, every=2),
        ),
        obs.weight_gram(len(members.members.role), every=4),
    ]
    return pathjax.rollout(
        dynamics, members, examples, schedule(4), measures, options=pathjax.RolloutOptions(member_tile=4)
    )


def test_fresh_but_equal_dynamics_and_observables_trace_nothing():
    traces: list = []
    first = one_rollout(traces)
    num, size = len(traces), run_chunk._cache_size()
    assert num > 0
    again = one_rollout(traces)
    assert (len(traces), run_chunk._cache_size()) == (num, size)
    for name, record in first.records.items():
        np.testing.assert_array_equal(again.records[name], record)


def distances(dynamics):
    key = jax.random.key(0)
    members = ensemble(dynamics, jnp.ones(10), key, epsilons=(0.1,), num_seeds=1)
    given = (members, jnp.zeros(8), schedule(2), [obs.weight_distance()])
    return pathjax.rollout(dynamics, *given).records["distance"][-1, 3] / 0.1


def test_a_replaced_closed_over_array_compiles_again():
    curvature = jnp.full(10, 1.0)
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(curvature * w**2), optax.sgd(0.1))
    start = np.sqrt(10)
    np.testing.assert_allclose(distances(dynamics), start * 0.9**2, rtol=1e-5)
    before = run_chunk._cache_size()
    curvature = jnp.full(10, 2.0)
    np.testing.assert_allclose(distances(dynamics), start * 0.8**2, rtol=1e-5)
    assert run_chunk._cache_size() == before + 1


def test_a_changed_closed_over_float_compiles_again():
    def dynamics(curvature):
        return pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(curvature * w**2), optax.sgd(0.1))

    found = [distances(dynamics(curvature)) for curvature in (1.0, 3.0, 1.0)]
    np.testing.assert_allclose(found, np.sqrt(10) * np.array([0.9, 0.7, 0.9]) ** 2, rtol=1e-5)


def test_derivatives_of_fresh_but_equal_dynamics_are_compiled_once():
    def both():
        h = (1.0, 2.0, 3.0)
        dynamics = pathjax.training_dynamics(
            lambda w, x: 0.5 * jnp.sum(jnp.array(h) * w**2) * jnp.ones(len(x)), lambda hp: optax.sgd(hp["rate"])
        )
        state = dynamics.init(jnp.ones(3), {"rate": 0.1})
        given = (dynamics, state, jnp.zeros(8), schedule(3))
        pathjax.sensitivity(*given, {"w": direction(jnp.ones(3))})
        example_influence(*given, lambda w: jnp.sum(w))
        early_directions(jax.random.key(0), *given, k=1, num_iterations=1)

    def sizes():
        return [fn._cache_size() for fn in (forward._run, reverse._influence, reverse._subspace)]

    before = sizes()
    both()
    after = sizes()
    both()
    assert sizes() == after == [size + 1 for size in before]


def test_a_spectrum_of_a_fresh_but_equal_map_is_compiled_once():
    def spectrum(a):
        def henon(state):
            return jnp.stack([1 - a * state[0] ** 2 + state[1], 0.3 * state[0]])

        return pathjax.lyapunov_spectrum(
            jax.random.key(0),
            henon,
            jnp.array([0.1, 0.1]),
            k=2,
            length=10,
            options=pathjax.SpectrumOptions(select=lambda name: True),
        )

    before = scan.run._cache_size()
    first = spectrum(1.4)
    assert scan.run._cache_size() == before + 1
    again, other = spectrum(1.4), spectrum(1.3)
    assert scan.run._cache_size() == before + 2
    np.testing.assert_array_equal(first.log_growth, again.log_growth)
    assert np.any(np.asarray(first.log_growth) != np.asarray(other.log_growth))
