"""Labels, forks and schedules of members' own, against plain loops of single members."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax import observables as obs
from pathjax.engine.observe import recorded
from pathjax.engine.rollout import member_states
from pathjax.interventions import When, intervened, of_schedule, of_weights
from pathjax.io.record_files import stream
from pathjax.io.to_xarray import to_dataset

KEY = jax.random.key(0)
NUM_STEPS, NUM_EXAMPLES, BATCH = 24, 60, 10
INPUTS, LABELS = jax.random.normal(KEY, (NUM_EXAMPLES, 5)), jax.random.randint(KEY, (NUM_EXAMPLES,), 0, 3)
TRUNK = pathjax.batch_schedule(KEY, NUM_EXAMPLES, BATCH, num_steps=NUM_STEPS)
MEASURES = [obs.weight_distance(every=4), obs.batch_loss(every=4)]


def loss_fn(w, examples):
    logits = jnp.tanh(examples[0] @ w["first"]) @ w["last"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])


def init(key):
    keys = jax.random.split(key)
    return {"first": jax.random.normal(keys[0], (5, 7)), "last": jax.random.normal(keys[1], (7, 3))}


DYNAMICS = pathjax.training_dynamics(loss_fn, optax.sgd(0.1, momentum=0.9))


def roots(num=2):
    each = pathjax.independent_ensemble(DYNAMICS, jax.vmap(init)(jax.random.split(KEY, num)))
    return pathjax.with_labels(each, init=np.arange(num))


def tree():
    """2 roots x 2 forks at step 8 x 2 forks at step 16."""
    members = pathjax.fork(pathjax.fork(roots(), 2, "branch"), 2, "twig")
    forked = pathjax.fork_schedule(jax.random.key(1), TRUNK, 2, 8, NUM_EXAMPLES)
    forked = pathjax.fork_schedule(jax.random.key(2), forked, 2, 16, NUM_EXAMPLES)
    return pathjax.with_schedules(members, np.arange(8) % 4), forked


def roll(members, schedule, measures=MEASURES, dynamics=DYNAMICS, **more):
    options = pathjax.RolloutOptions(**{name: more.pop(name) for name in ("member_tile", "mesh") if name in more})
    return pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, measures, options, **more)


def alone(state, schedule, choice):
    """One member's training on its schedule, in a plain scan."""
    one = pathjax.Schedule(schedule.indices[:, choice], None, schedule.key)
    step_fn, rows = pathjax.scheduled_step(DYNAMICS, (INPUTS, LABELS), one)
    return jax.jit(lambda s: jax.lax.scan(lambda s, row: (step_fn(s, row), None), s, rows)[0])(state).params


LAYOUTS = {"one tile": {"member_tile": None}, "alone": {"member_tile": 1}, "3": {"member_tile": 3}}
LAYOUTS["2 devices"] = {"member_tile": 2, "mesh": pathjax.member_mesh(2)}


@pytest.mark.parametrize("layout", ["one tile", pytest.param("alone", marks=pytest.mark.slow), "3", "2 devices"])
def test_members_of_a_tree_train_as_each_would_alone(layout):
    members, schedule = tree()
    found = roll(members, schedule, **LAYOUTS[layout])
    for m in range(8):
        start = jax.tree.map(lambda a, m=m: a[m], members.state._replace(schedule=None))
        expected = alone(start, schedule, m % 4)
        for name, leaf in expected.items():
            np.testing.assert_allclose(found.ensemble.state.params[name][m], leaf, rtol=1e-6, atol=1e-6)
    distance = found.records["distance"]
    # Forks have the bits of their parent until the step of the fork, and differ from it afterwards.
    assert (distance[:3, :4] == 0).all() and (distance[3:, 2:4] > 0).all()
    assert (distance[:5, 1] == 0).all() and (distance[5:, 1] > 0).all()
    assert (distance[:3, 4:] == distance[:3, 4:5]).all()


def test_the_tree_is_labeled_in_the_records():
    members, schedule = tree()
    found = roll(members, schedule)
    data = to_dataset(found)
    assert data.init.values.tolist() == [0] * 4 + [1] * 4 and data.twig.values.tolist() == [0, 1] * 4
    assert data.branch.values.tolist() == [0, 0, 1, 1] * 2 and data.schedule.values.tolist() == [0, 1, 2, 3] * 2
    assert data.parent.values.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and (data.fork_step == 0).all()
    assert data.role.values.tolist() == ["baseline", "fork", "fork", "fork", *["independent"] * 4]
    assert data.distance.groupby("init").mean().sizes["init"] == 2


def test_a_rollout_goes_on_from_a_fork_in_its_middle_as_if_it_had_been_one():
    members, schedule = tree()
    whole = roll(members, schedule, member_tile=4)
    first = roll(roots(), pathjax.Schedule(TRUNK.indices[:8], None, TRUNK.key), member_tile=4)
    forked = pathjax.fork(pathjax.fork(first.ensemble, 2, "branch"), 2, "twig")
    assert (forked.members.labels["fork_step"] == 8).all()
    rest = roll(pathjax.with_schedules(forked, np.arange(8) % 4), schedule, first_step=8, member_tile=4)
    assert rest.steps["distance"].tolist() == [8, 12, 16, 20, 24]
    for a, b in zip(*(jax.tree.leaves(one.ensemble.state.params) for one in (whole, rest)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # the trunk ran in another tile
    np.testing.assert_allclose(rest.records["distance"], whole.records["distance"][2:], rtol=1e-4, atol=1e-6)


def test_a_forked_rollout_resumes_with_the_same_bits():
    members, schedule = tree()

    def run(**more):
        options = pathjax.RolloutOptions(chunk_length=4)
        return pathjax.rollout_chunks(DYNAMICS, members, (INPUTS, LABELS), schedule, MEASURES, options, **more)

    *_, whole = run()
    stopped = list(itertools.islice(run(), 4))[-1]
    *_, resumed = run(resume=(stopped.step, stopped.loop))
    assert stopped.step == 12 and resumed.step == 24
    for a, b in zip(*(jax.tree.leaves(member_states(members, one.loop)) for one in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_schedules_are_stacked_and_forked_as_said():
    keys = jax.random.split(KEY, 3)
    each = [pathjax.batch_schedule(key, NUM_EXAMPLES, BATCH, num_steps=6) for key in keys]
    stacked = pathjax.stack_schedules(each)
    for i, one in enumerate(each):
        np.testing.assert_array_equal(stacked.indices[:, i], one.indices)
    forked = np.asarray(pathjax.fork_schedule(KEY, stacked, 2, 3, NUM_EXAMPLES).indices)
    for i, one in enumerate(each):
        assert (forked[:3, 2 * i] == one.indices[:3]).all() and (forked[:, 2 * i] == one.indices).all()
        assert (forked[:3, 2 * i + 1] == one.indices[:3]).all() and (forked[3:, 2 * i + 1] != one.indices[3:]).any()
    epoch = np.sort(forked[3:, 1].ravel())  # three batches of a new epoch: no example twice
    assert len(set(epoch.tolist())) == 3 * BATCH


def test_the_full_batch_is_gradient_descent_on_the_whole_set():
    schedule = pathjax.full_batch_schedule(NUM_EXAMPLES, 5)
    end = roll(roots(1), schedule, [obs.batch_loss()])
    w, velocity = init(jax.random.split(KEY, 1)[0]), None
    for _ in range(5):
        g = jax.grad(lambda w: loss_fn(w, (INPUTS, LABELS)).mean())(w)
        velocity = g if velocity is None else jax.tree.map(lambda v, g: 0.9 * v + g, velocity, g)
        w = jax.tree.map(lambda a, v: a - 0.1 * v, w, velocity)
    np.testing.assert_allclose(end.ensemble.state.params["first"][0], w["first"], rtol=1e-5, atol=1e-6)


def test_members_on_another_schedule_equal_those_that_an_intervention_moves_there():
    other = pathjax.batch_schedule(jax.random.key(5), NUM_EXAMPLES, BATCH, num_steps=NUM_STEPS)
    both = pathjax.with_schedules(pathjax.fork(roots(1), 2), np.array([0, 1]))
    found = roll(both, pathjax.stack_schedules([TRUNK, other])).ensemble.state.params
    dynamics = intervened(DYNAMICS, {"other": of_schedule(other)})
    grid = pathjax.InterventionGrid([0], [1.0], 1, duration=NUM_STEPS)
    start = jax.tree.map(lambda a: a[0], roots(1).state.params)
    moved = pathjax.intervened_ensemble(KEY, dynamics, start, "other", grid)
    end = roll(moved, TRUNK, dynamics=dynamics).ensemble.state
    np.testing.assert_allclose(end.params["first"][3], found["first"][1], rtol=1e-5, atol=1e-6)
    assert float(end.interventions["other"].moved[3]) == 0  # what the usual batch would have done is not computed


@pytest.mark.slow
def test_several_kinds_of_interventions_share_one_ensemble():
    kinds = {"small": of_weights(pathjax.gaussian()), "large": of_weights(pathjax.gaussian())}
    dynamics = intervened(DYNAMICS, kinds)
    grids = {"small": pathjax.InterventionGrid([4], [0.01], 2), "large": pathjax.InterventionGrid([8, 12], [1.0], 1)}
    start = jax.tree.map(lambda a: a[0], roots(1).state.params)
    members = pathjax.intervened_ensemble(KEY, dynamics, start, grids)
    assert members.members.labels["kind"].tolist() == [""] * 3 + ["small"] * 2 + ["large"] * 2
    distance = roll(members, TRUNK, dynamics=dynamics).records["distance"]
    for m, at in ((3, 4), (4, 4), (5, 8), (6, 12)):
        assert (distance[: at // 4 + 1, m] == 0).all() and (distance[at // 4 + 1 :, m] > 0).all()
    one = pathjax.intervened_ensemble(KEY, dynamics, start, "small", grids["small"])
    alone = roll(one, TRUNK, dynamics=dynamics).records["distance"]
    np.testing.assert_allclose(distance[:, 3:5], alone[:, 3:5], rtol=1e-4, atol=1e-6)


MISTAKES = {
    "choices must be 2 integers": lambda: pathjax.with_schedules(roots(), np.array([0, 1, 2])),
    "choices must be 0 or more": lambda: pathjax.with_schedules(roots(), np.array([0, -1])),
    "follows schedule 4, and there are 4": lambda: roll(pathjax.with_schedules(roots(), np.array([0, 4])), tree()[1]),
    "the rollout has one: join several": lambda: roll(pathjax.with_schedules(roots(), np.array([0, 0])), TRUNK),
    "name must be a new label": lambda: pathjax.fork(roots(), 2, "init"),
    "num_forks must be": lambda: pathjax.fork(roots(), 0),
    "label 'arm' has shape .3,.: give one for each of the 2": lambda: pathjax.with_labels(roots(), arm=[1, 2, 3]),
    "cannot be named 'role'": lambda: pathjax.with_labels(roots(), role=["a", "b"]),
    "give strings, numbers or booleans": lambda: pathjax.with_labels(roots(), arm=[None, "b"]),
    "'distance' is both a record": lambda: roll(pathjax.with_labels(roots(), distance=[1, 2]), TRUNK),
    "at_step must be 0 to 23": lambda: pathjax.fork_schedule(KEY, TRUNK, 2, 24, NUM_EXAMPLES),
    "schedules is empty": lambda: pathjax.stack_schedules([]),
    "holds several already": lambda: pathjax.stack_schedules([tree()[1]] * 2),
    "the ensemble is at step .0.: give it as first_step": lambda: roll(roots(), TRUNK, first_step=4),
    "first_step must be 0 to 23": lambda: roll(roots(), TRUNK, first_step=24),
    "leading axes": lambda: pathjax.independent_ensemble(DYNAMICS, {"first": jnp.ones((2, 5)), "last": jnp.ones(3)}),
    "the grid of 'kick' must be a pathjax.InterventionGrid, not of type tuple": lambda: pathjax.intervened_ensemble(
        KEY, DYNAMICS, init(KEY), {"kick": ([1], [0.1], 1)}
    ),
    "not a finished Rollout": lambda: stream(roll(roots(), TRUNK), "never_made"),
    "'rate' has shape .3,.: give a scalar, or .2,. values": lambda: pathjax.independent_ensemble(
        DYNAMICS, jnp.ones((2, 5)), hparams={"rate": [1, 2, 3]}
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_one_line(message):
    with pytest.raises(pathjax.InputError, match=message) as error:
        MISTAKES[message]()
    assert "\n" not in str(error.value)


def test_a_hyperparameter_that_nothing_reads_is_named():
    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["rate"]))
    networks = jax.vmap(init)(jax.random.split(KEY, 2))
    both = pathjax.independent_ensemble(dynamics, networks, hparams={"rate": 0.1, "l1": [0.0, 0.1]})
    with pytest.raises(pathjax.InputError, match="nothing reads the hyperparameter l1: leave it out"):
        roll(both, TRUNK, dynamics=dynamics)


def test_an_intervention_after_the_end_is_refused():
    dynamics = intervened(DYNAMICS, {"kick": of_weights(pathjax.gaussian())})
    start = jax.tree.map(lambda a: a[0], roots(1).state.params)
    grid = pathjax.InterventionGrid([2, 1_000_000], [0.1], 1)
    members = pathjax.intervened_ensemble(KEY, dynamics, start, "kick", grid)
    with pytest.raises(pathjax.InputError, match="'kick' happens at step 1000000, and the run ends at 24"):
        roll(members, TRUNK, dynamics=dynamics)


def test_forks_of_every_member_get_noise_of_their_own():
    noisy = pathjax.training_dynamics(
        lambda w, x, key: jnp.mean((w - jax.random.normal(key, w.shape)) ** 2), optax.sgd(0.1), stochastic=True
    )
    both = pathjax.independent_ensemble(noisy, jnp.ones((2, 9)))
    found = pathjax.with_noise(pathjax.fork(both, 3)).state.noise.tolist()
    assert found[0] == 0 and len(set(found)) == 6


def test_orders_of_forks_do_not_repeat_those_of_earlier_forks():
    first = pathjax.fork_schedule(KEY, TRUNK, 2, 4, NUM_EXAMPLES)
    second = np.asarray(pathjax.fork_schedule(KEY, first, 2, 8, NUM_EXAMPLES).indices)
    later = [second[8:12, i].tobytes() for i in range(4)] + [
        np.asarray(first.indices)[4:8, i].tobytes() for i in (0, 1)
    ]
    assert len(set(later)) == len(later)


def test_a_sweep_does_not_erase_what_members_differ_in():
    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["rate"]))
    each = pathjax.independent_ensemble(dynamics, jax.vmap(init)(jax.random.split(KEY, 2)), hparams={"rate": 0.1})
    arms = pathjax.with_arms(each, {"slow": {"rate": 0.01}})
    with pytest.raises(pathjax.InputError, match="members differ in 'rate' .arms, say., which a sweep"):
        pathjax.sweep(dynamics, arms, [{"rate": 0.1}, {"rate": 0.2}])
    more = pathjax.with_arms(arms, {"fast": {"rate": 0.5}})
    assert more.members.labels["arm"].tolist() == ["baseline", "baseline", "slow", "fast"]
    with pytest.raises(pathjax.InputError, match="the arms slow exist already"):
        pathjax.with_arms(arms, {"slow": {"rate": 0.5}})


def test_what_would_be_ignored_is_one_line():
    members, schedule = tree()
    free = members._replace(state=members.state._replace(schedule=None))
    with pytest.raises(pathjax.InputError, match="the rollout has several schedules: choose one for each member"):
        roll(free, schedule)
    dynamics = intervened(DYNAMICS, {"kick": of_weights(pathjax.gaussian())})
    middle = roll(roots(), pathjax.Schedule(TRUNK.indices[:8], None, TRUNK.key)).ensemble
    when = When(np.array([-1, 4]), np.array([0.0, 0.1]), np.arange(2))
    late = pathjax.with_interventions(dynamics, middle, {"kick": when})
    with pytest.raises(pathjax.InputError, match="'kick' is over at step 5, before the ensemble's step 8"):
        roll(late, TRUNK, dynamics=dynamics, first_step=8)
    chunks = pathjax.rollout_chunks(DYNAMICS, roots(), (INPUTS, LABELS), TRUNK, MEASURES)
    first = next(chunks)
    with pytest.raises(pathjax.InputError, match="resumes at step 40: choose a step of it, 0 to 24"):
        next(pathjax.rollout_chunks(DYNAMICS, roots(), (INPUTS, LABELS), TRUNK, MEASURES, resume=(40, first.loop)))
    with pytest.raises(pathjax.InputError, match="resume from is at step 0, not 8: give its own Chunk's step"):
        next(pathjax.rollout_chunks(DYNAMICS, roots(), (INPUTS, LABELS), TRUNK, MEASURES, resume=(8, first.loop)))


def test_labels_do_not_take_the_names_of_a_sweeps_settings_or_of_times():
    for name, settings in (("rate", {"rate": [0.1]}), ("step_4", None)):
        labeled = pathjax.with_labels(roots(), **{name: [1, 2]})
        with pytest.raises(pathjax.InputError, match=f"label '{name}' is also a setting of the sweep or a dimension"):
            to_dataset(pathjax.Rollout(labeled, {}, {}, recorded(MEASURES, labeled.state)), settings)
