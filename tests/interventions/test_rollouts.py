"""Rollouts in which single members have interventions at their own steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.intervened_networks import PLAN, batch_of, grid
from helpers.toy_maps import network
from pathjax.core import trees
from pathjax.interventions import (
    When,
    intervened,
    of_batch,
    of_example_weight,
    of_label,
    of_label_noise,
    of_schedule,
    of_weights,
    windowed,
    with_window,
)

obs = pathjax.observables
OPTIONS = [
    {},
    {"member_tile": 1},
    pytest.param({"member_tile": 4}, marks=pytest.mark.slow),
    {"member_tile": 3, "mesh": pathjax.member_mesh(2)},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_members_equal_the_baseline_until_their_step_and_then_differ_by_epsilon(problem, options):
    plain, _, examples = problem
    dynamics = intervened(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, problem, "kick")
    measures = [obs.weight_distance(), obs.intervention_size("kick")]
    run = pathjax.rollout(dynamics, members, examples, PLAN, measures, options=pathjax.RolloutOptions(**options))
    distance, labels = run.records["distance"], members.members
    for m in range(3, 15):
        at, epsilon = labels.at_step[m], labels.epsilon[m]
        assert (distance[: at + 1, m] == 0).all() and (distance[at + 1 :, m] > 0).all()
        np.testing.assert_allclose(run.records["kick_size"][:, m], np.where(np.arange(9) > at, epsilon, 0), rtol=1e-5)
        # The first recorded distance is one training step after the intervention, so it only approximates epsilon.
        np.testing.assert_allclose(distance[at + 1, m], epsilon, rtol=0.25)
    assert (distance[:, 1] == 0).all()
    params, made = network(jax.random.key(0))[1], {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    alone = pathjax.perturbed_ensemble(jax.random.key(0), plain, params, pathjax.gaussian(), **made)
    ends = [run, pathjax.rollout(plain, alone, examples, PLAN, [])]
    for a, b in zip(*(jax.tree.leaves(end.ensemble.state.params) for end in ends), strict=True):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-5, atol=1e-6)


def test_a_seed_has_the_same_direction_at_every_step(problem):
    dynamics = intervened(problem[0], {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, problem, "kick")
    seeds = members.state.interventions["kick"].seed
    assert seeds[3] == seeds[5] == seeds[7] and seeds[3] != seeds[4]


def test_a_manual_intervention_equals_the_one_in_the_loop(problem):
    plain, _, examples = problem
    dynamics = intervened(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, problem, "kick", at_steps=[4], epsilons=[0.2], num_seeds=1)
    run = pathjax.rollout(dynamics, members, examples, PLAN, [])
    state = trees.index(members.state, 3)
    step_fn, xs = pathjax.scheduled_step(plain, examples, PLAN)
    for t in range(8):
        if t == 4:
            key = jax.random.fold_in(jax.random.key(0), state.interventions["kick"].seed)
            state = of_weights(pathjax.gaussian()).on_state(key, state, None, jnp.float32(0.2))
        state = step_fn(state, jax.tree.map(lambda a, t=t: a[t], xs))
    for name, leaf in state.params.items():
        np.testing.assert_allclose(run.ensemble.state.params[name][3], leaf, rtol=1e-5, atol=1e-6)


def test_swapped_batches_are_seen_by_one_member_only(problem):
    plain, _, examples = problem
    dynamics = intervened(plain, {"first": of_batch(PLAN.indices), "second": of_batch(PLAN.indices)})
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    params = network(jax.random.key(0))[1]
    start = pathjax.perturbed_ensemble(jax.random.key(0), dynamics, params, pathjax.gaussian(), **made)
    state = start.state._replace(params=jax.tree.map(lambda w: w.at[3].set(w[0]), start.state.params))
    none = np.array([-1, -1, -1])
    occasions = {
        "first": When(np.array([*none, 2]), np.array([0, 0, 0, 3.0]), np.zeros(4)),
        "second": When(np.array([*none, 3]), np.array([0, 0, 0, 2.0]), np.zeros(4)),
    }
    members = pathjax.with_interventions(dynamics, start._replace(state=state), occasions)
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()])
    assert (run.records["distance"][:3, 3] == 0).all() and (run.records["distance"][3:, 3] > 0).all()
    swapped = PLAN._replace(indices=PLAN.indices[jnp.array([0, 1, 3, 2, 4, 5, 6, 7])])
    other = pathjax.rollout(plain, start._replace(state=state), examples, swapped, [])
    for name, leaf in other.ensemble.state.params.items():
        np.testing.assert_allclose(run.ensemble.state.params[name][3], leaf[0], rtol=1e-5, atol=1e-6)


def test_a_window_is_open_in_its_steps_only(problem):
    plain, _, examples = problem
    dynamics = windowed(plain, ["learning_rate"])
    hparams = {"learning_rate": 0.3, "learning_rate/from": 2, "learning_rate/until": 5, "learning_rate/value": 0.0}
    state = dynamics.init(network(jax.random.key(0))[1], hparams)
    moved = []
    for t in range(8):
        after, _ = dynamics.step(state, batch_of(examples, t))
        moved.append(float(trees.norm(trees.subtract(after.params, state.params))))
        assert after.hparams["learning_rate"] == jnp.float32(0.3)
        state = after
    assert [step > 0 for step in moved] == [True, True, False, False, False, True, True, True]
    with pytest.raises(pathjax.InputError, match="momentum, momentum/from"):
        windowed(plain, ["momentum"]).init(state.params, {"learning_rate": 0.3})


def test_sweeps_keep_the_interventions_of_each_member(problem):
    plain, _, examples = problem
    dynamics = intervened(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, problem, "kick")
    swept = pathjax.sweep(dynamics, members, [{"learning_rate": rate} for rate in (0.1, 0.3)])
    np.testing.assert_array_equal(swept.state.interventions["kick"].at_step, np.tile(members.members.at_step, (2, 1)))
    records = pathjax.rollout(dynamics, swept, examples, PLAN, [obs.weight_distance()]).records["distance"]
    once = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()]).records["distance"]
    np.testing.assert_allclose(records[:, 1, 3:], once[:, 3:], rtol=1e-3, atol=1e-5)


def kicked(problem, which):
    """Dynamics, an ensemble with one intervened member after three controls, and the examples."""
    plain, _, examples = problem
    dynamics = intervened(plain, {name: one for name, (one, _) in which.items()})
    params, made = network(jax.random.key(0))[1], {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    start = pathjax.perturbed_ensemble(jax.random.key(0), dynamics, params, pathjax.gaussian(), **made)
    state = start.state._replace(params=jax.tree.map(lambda w: w.at[3].set(w[0]), start.state.params))
    occasions = {name: When(np.array([-1, -1, -1, when[0]]), *when[1:]) for name, (_, when) in which.items()}
    return dynamics, pathjax.with_interventions(dynamics, start._replace(state=state), occasions), examples


def at(step, epsilon=0.0, until=None):
    """The arguments of `When` for one intervened member after three controls, without the controls' steps."""
    return step, np.array([0, 0, 0, epsilon]), np.arange(4), until if until is None else np.array([-1, -1, -1, until])


def trained_alone(problem, state, see, num_steps=8):
    """Trains the intervened member alone, with `see(t, state, batch) -> (state, batch)` before each step."""
    plain, _, examples = problem
    state = trees.index(state, 3)
    for t in range(num_steps):
        state, _ = jax.jit(plain.step)(*see(t, state, batch_of(examples, t)))
    return state


def keys_of(seed, step, first):
    key = jax.random.fold_in(jax.random.key(0), seed)
    return key if step == first else jax.random.fold_in(key, step - first)


def close(run, state):
    for name, leaf in state.params.items():
        np.testing.assert_allclose(run.ensemble.state.params[name][3], leaf, rtol=2e-5, atol=2e-6)


def test_several_changes_of_one_batch_accumulate(problem):
    label, weight = of_label(3), of_example_weight()
    dynamics, members, examples = kicked(problem, {"a": (label, at(3)), "b": (weight, at(3, 4.0))})
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.intervention_size("a"), obs.intervention_size("b")])

    def see(t, state, batch):
        if t == 3:
            batch = weight.on_batch(keys_of(3, 3, 3), label.on_batch(keys_of(3, 3, 3), batch, None), 4.0)
        return state, batch

    close(run, trained_alone(problem, members.state, see))
    assert run.records["a_size"][-1, 3] > 1e-3 and run.records["b_size"][-1, 3] > 1e-3


def test_a_lasting_intervention_has_new_randomness_at_each_step(problem):
    noise, kick = of_label_noise(3), of_weights(pathjax.gaussian())
    dynamics, members, examples = kicked(problem, {"a": (noise, at(2, 0.5, 6)), "b": (kick, at(1, 0.1, 4))})
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.intervention_size("b")])

    def see(t, state, batch):
        if 1 <= t < 4:
            state = kick.on_state(keys_of(3, t, 1), state, batch, jnp.float32(0.1))
        if 2 <= t < 6:
            batch = noise.on_batch(keys_of(3, t, 2), batch, 0.5)
        return state, batch

    close(run, trained_alone(problem, members.state, see))
    np.testing.assert_allclose(run.records["b_size"][:, 3], [0, 0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"member_tile": 1}, {"member_tile": 3, "mesh": pathjax.member_mesh(2)}])
def test_another_schedule_and_batch_size_for_the_whole_run(problem, options):
    plain, _, examples = problem
    other = pathjax.batch_schedule(jax.random.key(9), 32, 4, num_steps=8)
    dynamics, members, examples = kicked(problem, {"other": (of_schedule(other), at(0, 0.0, 8))})
    run = pathjax.rollout(
        dynamics, members, examples, PLAN, [obs.weight_distance()], options=pathjax.RolloutOptions(**options)
    )
    alone = pathjax.rollout(plain, members, examples, other, [])
    close(run, trees.index(alone.ensemble.state, 0))
    assert (run.records["distance"][:, 1] == 0).all() and (run.records["distance"][1:, 3] > 0).all()


def test_each_member_has_its_own_window(problem):
    plain, _, examples = problem
    dynamics = windowed(plain, ["learning_rate"])
    hparams = {"learning_rate": 0.3, "learning_rate/from": 0, "learning_rate/until": 0, "learning_rate/value": 0.0}
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": hparams}
    params = network(jax.random.key(0))[1]
    start = pathjax.perturbed_ensemble(jax.random.key(0), dynamics, params, pathjax.gaussian(), **made)
    members = with_window(start, "learning_rate", [0, 2, 2, 2], [0, 5, 2, 8], [0, 0.0, 1.0, 0.6])
    distance = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()]).records["distance"]
    assert (distance[:3, 1] == 0).all() and (distance[3:, 1] > 0).all()
    assert distance[3, 2] < 1e-5  # the roundoff member is one ulp away, and its window never opens
    with pytest.raises(pathjax.InputError, match="'momentum' has no window"):
        with_window(start, "momentum", 0, 1, 0.0)
    with pytest.raises(pathjax.InputError, match="apply windows before interventions"):
        windowed(intervened(plain, {"kick": of_weights(pathjax.gaussian())}), ["learning_rate"])
