import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, quadratic, schedule
from pathjax.core import trees
from pathjax.engine.loop import run_chunk
from pathjax.engine.planning import plan_chunks
from pathjax.engine.rollout import member_states

obs = pathjax.observables


def roll(dynamics, members, examples, steps, observables, **options):
    return pathjax.rollout(
        dynamics, members, examples, schedule(steps), observables, options=pathjax.RolloutOptions(**options)
    )


def test_the_vmapped_program_equals_a_plain_loop_over_members(key):
    dynamics, params, examples = network(key)
    members, plan = ensemble(dynamics, params, key), schedule(20)
    result = pathjax.rollout(dynamics, members, examples, plan, [obs.weight_distance(), obs.batch_loss()])
    for m in range(len(members.members.role)):
        state, losses = trees.index(members.state, m), []
        for indices in plan.indices:
            batch = pathjax.Batch(jax.tree.map(lambda a, i=indices: a[i], examples), None, key)
            state, info = dynamics.step(state, batch)
            losses.append(info.loss)
        for actual, expected in zip(
            jax.tree.leaves(trees.index(result.ensemble.state.params, m)), jax.tree.leaves(state.params), strict=True
        ):
            np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(result.records["batch_loss"][1:, m], losses, rtol=2e-5, atol=2e-6)


def test_the_replica_stays_at_distance_zero_and_the_roundoff_member_does_not(key):
    dynamics, params, examples = network(key)
    distance = roll(dynamics, ensemble(dynamics, params, key), examples, 50, [obs.weight_distance()]).records[
        "distance"
    ]
    assert np.all(distance[:, :2] == 0.0)
    assert np.all(distance[:, 2] > 0) and np.all(distance[:, 2] < 1e-4)


@pytest.mark.parametrize("chunk_length", [4, 8, 16])
def test_results_do_not_depend_on_chunk_length(key, chunk_length):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    measures = [obs.weight_distance(every=2), obs.batch_loss(every=1), obs.lyapunov(key, dynamics, 2, every=4)]
    one_chunk = roll(dynamics, members, examples, 16, measures, chunk_length=16)
    parts = roll(dynamics, members, examples, 16, measures, chunk_length=chunk_length)
    for name, record in one_chunk.records.items():
        np.testing.assert_allclose(parts.records[name], record, rtol=1e-5, atol=1e-6, err_msg=name)
        assert len(record) == len(one_chunk.steps[name])
    np.testing.assert_array_equal(one_chunk.steps["distance"], np.arange(0, 17, 2))


def test_slow_cadences_record_the_same_as_fast_ones_at_their_steps(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    fast = roll(dynamics, members, examples, 24, [obs.weight_distance(every=1)])
    for every in (2, 3, 24):
        slow = roll(dynamics, members, examples, 24, [obs.weight_distance(every=every), obs.batch_loss(every=1)])
        np.testing.assert_allclose(slow.records["distance"], fast.records["distance"][::every], rtol=1e-5, atol=1e-7)


def test_updates_run_at_every_step_at_any_cadence():
    count = pathjax.Observable(
        init=lambda snapshot: jnp.zeros((), jnp.int32),
        update=lambda carry, transition: carry + 1,
        read=lambda carry, snapshot: (carry, {"count": carry}),
        every=3,
        scope="ensemble",
        variables=(pathjax.Variable("count", (), "1", "updates so far"),),
    )
    dynamics = quadratic([1.0, 2.0])
    members = ensemble(dynamics, jnp.ones(2), jax.random.key(0))
    result = roll(dynamics, members, jnp.zeros(8), 9, [count, obs.batch_loss(every=1)])
    np.testing.assert_array_equal(result.records["count"], [0, 3, 6, 9])


def test_a_program_is_traced_once_for_any_number_of_chunks(key):
    dynamics, params, examples = network(key)
    chex.clear_trace_counter()
    # Twice: the step, and its derivative for the tangents.
    counted = dynamics._replace(step=chex.assert_max_traces(dynamics.step, n=2))
    members = ensemble(counted, params, key)
    measures = [obs.weight_distance(), obs.lyapunov(key, counted, 1)]
    roll(counted, members, examples, 40, measures, chunk_length=4)
    other = members._replace(state=members.state._replace(params=trees.scale(1.1, members.state.params)))
    roll(counted, other, examples, 40, measures, chunk_length=4)


@pytest.mark.parametrize("member_tile", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_a_program_is_compiled_once_with_python_floats_as_hyperparameters(key, member_tile):
    dynamics, params, examples = network(key, optimizer=lambda h: optax.sgd(h["learning_rate"], h["momentum"]))
    measures = [obs.weight_distance(), obs.linear_response(dynamics, trees.stack([params])), obs.first_nonfinite()]
    before = run_chunk._cache_size()
    for rate in (0.1, 0.2):
        members = ensemble(dynamics, params, key, hparams={"learning_rate": rate, "momentum": 0.5})
        roll(dynamics, members, examples, 16, measures, chunk_length=4, member_tile=member_tile)
    assert run_chunk._cache_size() == before + 1


def test_the_given_ensemble_stays_usable(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    roll(dynamics, members, examples, 4, [obs.weight_autocorrelation()])
    assert np.isfinite(jax.tree.leaves(members.state)[0]).all()


def test_resuming_from_a_chunk_gives_the_same_bits(key):
    dynamics, params, examples = network(key, optimizer=optax.adam(0.01))
    members, plan = ensemble(dynamics, params, key), schedule(12)
    measures = [obs.weight_distance(), obs.weight_autocorrelation((0, 4), every=4)]

    def chunks(**more):
        return pathjax.rollout_chunks(
            dynamics, members, examples, plan, measures, pathjax.RolloutOptions(chunk_length=4), **more
        )

    uninterrupted = [(chunk.step, chunk.records) for chunk in chunks()]
    for chunk in chunks():
        if chunk.step == 8:
            saved = jax.tree.map(jnp.copy, chunk.loop)
    resumed = [(chunk.step, chunk.records) for chunk in chunks(resume=(8, saved))]
    assert [step for step, _ in resumed] == [12]
    for name, record in resumed[0][1].items():
        np.testing.assert_array_equal(record, uninterrupted[-1][1][name], err_msg=name)


def test_a_diverging_member_is_reported_and_leaves_the_others_unchanged(key):
    dynamics = pathjax.training_dynamics(
        lambda w, x: 0.5 * jnp.sum(w**2) + 1e30 * jnp.sum(jnp.where(w > 2, w, 0.0) ** 4), optax.sgd(0.1)
    )
    members = ensemble(dynamics, jnp.ones(50), key)
    broken = members.state.params.at[3].set(3.0)
    bad = members._replace(state=members.state._replace(params=broken))
    measures = [obs.weight_distance(), obs.first_nonfinite()]
    good_run, bad_run = (roll(dynamics, m, jnp.zeros(8), 10, measures).records for m in (members, bad))
    # In its first step the squared norm of the weights overflows.
    assert bad_run["first_nonfinite"][-1].tolist() == [-1, -1, -1, 1, -1, -1, -1]
    others = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(bad_run["distance"][:, others], good_run["distance"][:, others])


@pytest.mark.parametrize(
    ("cadences", "num_steps", "chunk_length", "message"),
    [
        ((2, 3), 12, None, "every=2 does not divide every=3"),
        ((5,), 12, None, "num_steps=12 must be a multiple of every=5; choose 10 steps"),
        ((0,), 12, None, "every must be 1 or more, not 0"),
        ((4,), 12, 6, "chunk_length must be a multiple .* not 6"),
    ],
)
def test_cadences_that_do_not_nest_raise(cadences, num_steps, chunk_length, message):
    one, two = obs.batch_loss(every=cadences[0]), obs.weight_distance(every=cadences[-1])
    with pytest.raises(pathjax.InputError, match=message):
        plan_chunks([one, two], num_steps, chunk_length)


def test_a_schedule_for_another_dataset_and_an_unknown_scope_raise():
    dynamics = quadratic([1.0, 2.0])
    members = ensemble(dynamics, jnp.ones(2), jax.random.key(0))
    with pytest.raises(pathjax.InputError, match="use num_examples=3"):
        roll(dynamics, members, jnp.zeros(3), 4, [])
    with pytest.raises(pathjax.InputError, match="unknown scope 'members'"):
        roll(dynamics, members, jnp.zeros(8), 4, [obs.batch_loss()._replace(scope="members")])


def test_duplicate_names_and_undeclared_records_raise():
    with pytest.raises(pathjax.InputError, match="two observables record 'batch_loss'"):
        plan_chunks([obs.batch_loss(every=1), obs.batch_loss(every=2)], 4)
    dynamics = quadratic([1.0, 2.0])
    members = ensemble(dynamics, jnp.ones(2), jax.random.key(0))
    undeclared = obs.batch_loss()._replace(read=lambda carry, snapshot: (carry, {"other": carry}))
    with pytest.raises(pathjax.InputError, match="declares .'batch_loss'., but recorded .'other'"):
        roll(dynamics, members, jnp.zeros(8), 4, [undeclared])
    wide = obs.batch_loss()._replace(read=lambda carry, snapshot: (carry, {"batch_loss": jnp.zeros(3)}))
    with pytest.raises(
        pathjax.InputError, match=r"recorded 'batch_loss' with shape \(3,\), but declares the dimensions"
    ):
        roll(dynamics, members, jnp.zeros(8), 4, [wide])


@pytest.mark.parametrize("name", ["step", "a/b", 3], ids=repr)
def test_invalid_variable_names_raise(name):
    named = obs.batch_loss()._replace(variables=(pathjax.Variable(name, (), "1", "anything"),))
    with pytest.raises(pathjax.InputError, match="choose a name without '/'"):
        plan_chunks([named], 4)


@pytest.mark.parametrize(("num_steps", "slowest"), [(2000, 50), (1999, 1), (8000, 200), (7, 7), (450, 150)])
def test_chunks_are_equal_multiples_of_the_slowest_cadence(num_steps, slowest):
    length = plan_chunks([obs.batch_loss(every=slowest)], num_steps)
    assert length % slowest == 0 and length <= max(200, slowest)


def test_observables_may_record_nothing_or_large_arrays_and_have_python_floats_as_data(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    large = pathjax.Variable("large", ("number",), "1", "too large to pack")

    def read(carry, snapshot):
        return carry, {"large": snapshot.data["factor"] * jnp.resize(snapshot.state.params["w0"], 3000)}

    silent = pathjax.Observable(lambda s: jnp.zeros(()), lambda carry, s: (carry, {}), None, 1, "member", ())
    much = pathjax.Observable(lambda s: (), read, None, 1, "member", (large,), data={"factor": 0.5})
    measures = [silent, much, obs.weight_distance(every=2)]
    one_tile, tiled = (
        pathjax.rollout(dynamics, members, examples, schedule(4), measures, options=pathjax.RolloutOptions(**options))
        for options in ({"member_tile": None}, {"member_tile": 2, "mesh": pathjax.member_mesh(2)})
    )
    assert one_tile.records["large"].shape == (5, 7, 3000)
    np.testing.assert_allclose(tiled.records["large"], one_tile.records["large"], rtol=1e-5, atol=1e-6)


def test_a_loop_resumes_on_other_devices(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    arguments = (dynamics, members, examples, schedule(8), [obs.weight_distance()])

    def chunks(num_devices, resume=None):
        mesh = None if num_devices is None else pathjax.member_mesh(num_devices)
        return pathjax.rollout_chunks(
            *arguments, resume=resume, options=pathjax.RolloutOptions(chunk_length=4, member_tile=1, mesh=mesh)
        )

    *_, uninterrupted = chunks(2)
    for before, after in ((3, 2), (3, None), (None, 2)):
        other = chunks(before)
        half = (next(other), next(other))[1]
        (moved,) = chunks(after, resume=(half.step, half.loop))
        np.testing.assert_array_equal(moved.records["distance"], uninterrupted.records["distance"])
        states = (member_states(members, chunk.loop) for chunk in (moved, uninterrupted))
        chex.assert_trees_all_equal(*states)


def test_resuming_with_other_observables_raises(key):
    dynamics, params, examples = network(key)
    arguments = (dynamics, ensemble(dynamics, params, key), examples, schedule(4))
    first = next(
        pathjax.rollout_chunks(
            *arguments, [obs.weight_distance(), obs.batch_loss()], options=pathjax.RolloutOptions(chunk_length=2)
        )
    )
    with pytest.raises(pathjax.InputError, match="carries 2 member observables and 0 others, but 1 and 0 are given"):
        next(
            pathjax.rollout_chunks(
                *arguments,
                [obs.weight_distance()],
                resume=(0, first.loop),
                options=pathjax.RolloutOptions(chunk_length=2),
            )
        )


@pytest.mark.slow
def test_an_ensemble_from_several_devices_continues_on_one(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)

    def trained(members, mesh):
        return pathjax.rollout(
            dynamics, members, examples, schedule(4), [], options=pathjax.RolloutOptions(member_tile=2, mesh=mesh)
        ).ensemble

    uninterrupted = trained(trained(members, None), None)
    moved = trained(trained(members, pathjax.member_mesh(3)), None)
    chex.assert_trees_all_equal(moved.state, uninterrupted.state)


def test_records_are_given_to_a_callback_as_soon_as_they_are_there():
    doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    ensemble = pathjax.independent_ensemble(doubling, jnp.ones((2, 3)))
    measures = [pathjax.observables.weight_norm(every=2)]
    parts = (doubling, ensemble, jnp.zeros(4), pathjax.full_batch_schedule(4, 12), measures)
    seen = []
    options = pathjax.RolloutOptions(chunk_length=4)
    found = pathjax.rollout(*parts, options, on_records=lambda chunk: seen.append((chunk.step, chunk.records)))
    assert [step for step, _ in seen] == [0, 4, 8, 12]
    joined = np.concatenate([records["weight_norm"] for _, records in seen])
    np.testing.assert_array_equal(joined, found.records["weight_norm"])


def test_chunks_have_the_steps_of_their_records():
    doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    ensemble = pathjax.independent_ensemble(doubling, jnp.ones((2, 3)))
    measures = [pathjax.observables.weight_norm(every=2), pathjax.observables.mean_loss(every=6)]
    schedule = pathjax.full_batch_schedule(4, 12)
    options = pathjax.RolloutOptions(chunk_length=6)
    chunks = list(pathjax.rollout_chunks(doubling, ensemble, jnp.zeros(4), schedule, measures, options))
    assert [chunk.steps["weight_norm"].tolist() for chunk in chunks] == [[0], [2, 4, 6], [8, 10, 12]]
    assert [chunk.steps["mean_loss"].tolist() for chunk in chunks] == [[0], [6], [12]]
    for chunk in chunks:
        assert all(len(chunk.records[name]) == len(chunk.steps[name]) for name in chunk.records)
        expected = 3**0.5 * 2.0 ** chunk.steps["weight_norm"]
        np.testing.assert_allclose(chunk.records["weight_norm"][:, 0], expected, rtol=1e-6)
