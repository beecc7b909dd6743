"""What happens to a member at a step of its own: how large it is, what it meets, and that it meets nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_maps import network, predict, schedule

import pathjax
from pathjax import trees
from pathjax.interventions import (
    When,
    along_curvature,
    along_gradient,
    intervening,
    of_batch,
    of_example,
    of_example_weight,
    of_flipped_bit,
    of_hyperparameter,
    of_label,
    of_label_noise,
    of_optimizer_state,
    of_permutation,
    of_scales,
    of_schedule,
    of_ulps,
    of_weights,
    windowed,
    with_window,
)
from pathjax.schedule import take_batch
from pathjax.symmetry import infer_scales, infer_spec
from pathjax.typing import Batch

obs = pathjax.observables
PLAN = schedule(8, num_examples=32, batch_size=8)


def loss_fn(params, examples):
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0], jax.nn.relu), examples[1])


def relu_predict(params, inputs):
    return predict(params, inputs, jax.nn.relu)


def build(hparams):
    return optax.sgd(hparams["learning_rate"], momentum=0.5)


@pytest.fixture(scope="module")
def stand():
    """Dynamics with a learning rate as a leaf, a state in the middle of training, and the examples."""
    _, params, examples = network(jax.random.key(0))
    dynamics = pathjax.training_dynamics(loss_fn, build)
    state = dynamics.init(params, {"learning_rate": 0.3})
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, PLAN)
    for t in range(5):
        state = step_fn(state, jax.tree.map(lambda a, t=t: a[t], xs))
    return dynamics, state, examples


def batch_of(examples, t=5):
    return take_batch(examples, PLAN.key, t, (PLAN.indices[t], None))


def kinds(state, examples):
    """Interventions of states: what each may move ("params", "opt_state" or a hyperparameter), and by how much."""
    spec = infer_spec(relu_predict, state.params, examples[0])
    scales = infer_scales(relu_predict, spec, state.params, examples[0])
    return {
        "weights": (of_weights(pathjax.gaussian()), {"params"}, 0.25),
        "sphere": (of_weights(pathjax.on_sphere(per_leaf=False)), {"params"}, 0.25 * float(trees.norm(state.params))),
        "momentum": (of_optimizer_state(pathjax.gaussian()), {"opt_state"}, 0.25),
        "rate": (of_hyperparameter("learning_rate"), {"hparams"}, 0.25 * 0.3),
        "gradient": (along_gradient(loss_fn), {"params"}, 0.25),
        "permutation": (of_permutation(spec), {"params", "opt_state"}, None),
        "scales": (of_scales(scales), {"params"}, None),
        "bit": (of_flipped_bit(31), {"params"}, None),
        "ulps": (of_ulps(), {"params"}, None),
    }


def change(intervention, state, examples, size=0.25, seed=3):
    """The changed state, as vmap of one member gives it in the compiled loop."""
    return jax.jit(lambda s: intervention.on_state(s, batch_of(examples), jax.random.key(seed), jnp.float32(size)))(
        state
    )


KINDS = ("weights", "sphere", "momentum", "rate", "gradient", "permutation", "scales", "bit", "ulps")


@pytest.mark.parametrize("name", KINDS)
def test_a_change_has_its_size_and_moves_nothing_else(stand, name):
    _, state, examples = stand
    intervention, targets, size = kinds(state, examples)[name]
    moved = change(intervention, state, examples, size=3.0 if name == "ulps" else 0.25)
    for part in ("params", "opt_state", "hparams", "step"):
        before, after = (jax.tree.leaves(getattr(s, part)) for s in (state, moved))
        same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        assert same == (part not in targets), part
    if size is not None:
        (part,) = targets
        step = trees.norm(jax.tree.map(lambda a, b: a - b, getattr(moved, part), getattr(state, part)))
        np.testing.assert_allclose(step, size, rtol=1e-5)


def test_single_weights_are_changed_alone_and_all_of_them_in_time(stand):
    _, state, examples = stand
    flat = lambda s: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(s.params)])  # noqa: E731
    hit, batch = set(), batch_of(examples)
    flip, move = (
        jax.jit(lambda s, seed, one=one: one.on_state(s, batch, jax.random.key(seed), jnp.float32(3)))
        for one in (of_flipped_bit(31), of_ulps())
    )
    for seed in range(60):
        flipped, moved = flat(flip(state, seed)), flat(move(state, seed))
        (place,) = np.flatnonzero(flipped != flat(state))
        assert flipped[place] == -flat(state)[place]
        (same,) = np.flatnonzero(moved != flat(state))
        assert same == place
        steps = moved.view(np.int32)[place].astype(int) - flat(state).view(np.int32)[place]
        assert steps == 3 and abs(moved[place]) > abs(flat(state)[place])
        hit.add(int(place))
    assert len(hit) > 30
    with pytest.raises(pathjax.InputError, match="no bit 32"):
        change(of_flipped_bit(32), state, examples)


@pytest.mark.parametrize("name", ["permutation", "scales"])
def test_symmetries_leave_the_function_as_it_is(stand, name):
    dynamics, state, examples = stand
    moved = change(kinds(state, examples)[name][0], state, examples)
    logits = [relu_predict(s.params, examples[0]) for s in (state, moved)]
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-5)
    assert trees.norm(trees.subtract(moved.params, state.params)) > 0.1
    after = [dynamics.step(s, batch_of(examples))[0] for s in (state, moved)]
    apart = np.abs(relu_predict(after[0].params, examples[0]) - relu_predict(after[1].params, examples[0])).max()
    assert (apart < 1e-5) == (name == "permutation")  # training does not know of scales


def test_a_gradient_is_that_of_the_steps_own_batch(stand):
    _, state, examples = stand
    moved = change(along_gradient(loss_fn), state, examples, 1e-2)
    gradient = jax.grad(lambda p: loss_fn(p, batch_of(examples).examples).mean())(state.params)
    step = trees.subtract(moved.params, state.params)
    assert trees.dot(step, gradient) > 0.9999 * trees.norm(step) * trees.norm(gradient)


def test_batches_are_changed_in_one_example(stand):
    _, _, examples = stand
    batch = batch_of(examples)
    for seed in range(20):
        key = jax.random.key(seed)
        label = of_label(3).on_batch(batch, key, None)
        assert (label.examples[1] != batch.examples[1]).sum() == 1 and (label.examples[1] < 3).all()
        np.testing.assert_array_equal(label.examples[0], batch.examples[0])
        weight = of_example_weight().on_batch(batch, key, -0.5)
        assert sorted(set(weight.weights.tolist())) == [0.5, 1.0] and (weight.weights == 0.5).sum() == 1
        other = of_example().on_batch(batch, key, None)
        assert (other.examples[0] != batch.examples[0]).any(1).sum() <= 1
    whole = of_batch(PLAN.indices).on_batch(batch, None, 6.0)
    np.testing.assert_array_equal(whole.examples[0], examples[0][PLAN.indices[6]])
    np.testing.assert_array_equal(whole.examples[1], examples[1][PLAN.indices[6]])


def grid(dynamics, stand, name, **changes):
    options = {"at_steps": [0, 3, 6], "sizes": [0.1, 0.2], "num_seeds": 2, "hparams": {"learning_rate": 0.3}} | changes
    return pathjax.disturbed_ensemble(dynamics, network(jax.random.key(0))[1], name, jax.random.key(5), **options)


OPTIONS = [{}, {"member_tile": 1}, {"member_tile": 4}, {"member_tile": 3, "mesh": pathjax.member_mesh(2)}]


@pytest.mark.parametrize("options", OPTIONS)
def test_members_are_the_baseline_until_their_step_and_then_as_far_as_they_were_moved(stand, options):
    plain, _, examples = stand
    dynamics = intervening(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, stand, "kick")
    measures = [obs.weight_distance(), obs.moved_by("kick")]
    run = pathjax.rollout(dynamics, members, examples, PLAN, measures, **options)
    distance, labels = run.records["distance"], members.members
    for m in range(3, 15):
        at, size = labels.at_step[m], labels.epsilon[m]
        assert (distance[: at + 1, m] == 0).all() and (distance[at + 1 :, m] > 0).all()
        np.testing.assert_allclose(run.records["kick_moved"][:, m], np.where(np.arange(9) > at, size, 0), rtol=1e-5)
        # One step later it is not far from the size, which is as it was before that step.
        np.testing.assert_allclose(distance[at + 1, m], size, rtol=0.25)
    assert (distance[:, 1] == 0).all()
    params, made = network(jax.random.key(0))[1], {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    alone = pathjax.make_ensemble(plain, params, pathjax.gaussian(), jax.random.key(0), **made)
    ends = [run, pathjax.rollout(plain, alone, examples, PLAN, [])]
    for a, b in zip(*(jax.tree.leaves(end.ensemble.state.params) for end in ends), strict=True):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-5, atol=1e-6)


def test_a_seed_goes_the_same_way_whenever_it_goes(stand):
    dynamics = intervening(stand[0], {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, stand, "kick")
    seeds = members.state.hparams["kick/seed"]
    assert seeds[3] == seeds[5] == seeds[7] and seeds[3] != seeds[4]


def test_a_disturbance_by_hand_is_the_one_in_the_loop(stand):
    plain, _, examples = stand
    dynamics = intervening(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, stand, "kick", at_steps=[4], sizes=[0.2], num_seeds=1)
    run = pathjax.rollout(dynamics, members, examples, PLAN, [])
    state = trees.index(members.state, 3)
    step_fn, xs = pathjax.scheduled_step(plain, examples, PLAN)
    for t in range(8):
        if t == 4:
            key = jax.random.fold_in(jax.random.key(0), state.hparams["kick/seed"])
            state = of_weights(pathjax.gaussian()).on_state(state, None, key, jnp.float32(0.2))
        state = step_fn(state, jax.tree.map(lambda a, t=t: a[t], xs))
    for name, leaf in state.params.items():
        np.testing.assert_allclose(run.ensemble.state.params[name][3], leaf, rtol=1e-5, atol=1e-6)


def test_batches_in_turned_order_are_seen_by_the_member_alone(stand):
    plain, _, examples = stand
    dynamics = intervening(plain, {"first": of_batch(PLAN.indices), "second": of_batch(PLAN.indices)})
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    params = network(jax.random.key(0))[1]
    start = pathjax.make_ensemble(dynamics, params, pathjax.gaussian(), jax.random.key(0), **made)
    state = start.state._replace(params=jax.tree.map(lambda w: w.at[3].set(w[0]), start.state.params))
    none = np.array([-1, -1, -1])
    occasions = {
        "first": When(np.array([*none, 2]), np.array([0, 0, 0, 3.0]), np.zeros(4)),
        "second": When(np.array([*none, 3]), np.array([0, 0, 0, 2.0]), np.zeros(4)),
    }
    members = pathjax.with_interventions(dynamics, start._replace(state=state), occasions)
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()])
    assert (run.records["distance"][:3, 3] == 0).all() and (run.records["distance"][3:, 3] > 0).all()
    turned = PLAN._replace(indices=PLAN.indices[jnp.array([0, 1, 3, 2, 4, 5, 6, 7])])
    other = pathjax.rollout(plain, start._replace(state=state), examples, turned, [])
    for name, leaf in other.ensemble.state.params.items():
        np.testing.assert_allclose(run.ensemble.state.params[name][3], leaf[0], rtol=1e-5, atol=1e-6)


def test_a_window_is_open_for_its_steps_alone(stand):
    plain, _, examples = stand
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


def test_sweeps_keep_what_happens_to_each_member(stand):
    plain, _, examples = stand
    dynamics = intervening(plain, {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, stand, "kick")
    swept = pathjax.sweep(dynamics, members, [{"learning_rate": rate} for rate in (0.1, 0.3)])
    np.testing.assert_array_equal(swept.state.hparams["kick/at_step"], np.tile(members.members.at_step, (2, 1)))
    records = pathjax.rollout(dynamics, swept, examples, PLAN, [obs.weight_distance()]).records["distance"]
    once = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()]).records["distance"]
    np.testing.assert_allclose(records[:, 1, 3:], once[:, 3:], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at_steps": []}, "there are no at_steps"),
        ({"sizes": [0.1, 0.1]}, "repeat: give each once"),
        ({"num_seeds": 0}, "num_seeds 0"),
        ({"at_steps": [-3, 1]}, "before step -3"),
    ],
)
def test_grids_of_nothing_are_refused(stand, changes, message):
    with pytest.raises(pathjax.InputError, match=message):
        grid(stand[0], stand, "kick", **changes)


def test_occasions_that_do_not_fit_are_refused(stand):
    dynamics = intervening(stand[0], {"kick": of_weights(pathjax.gaussian())})
    members = grid(dynamics, stand, "kick")
    wrong = {"for 2 of 15 members": [-1, 3], "happens to the baseline": [2] * 15, "at step -2": [-1] * 14 + [-2]}
    for message, at in wrong.items():
        with pytest.raises(pathjax.InputError, match=message):
            pathjax.with_interventions(
                dynamics, members, {"kick": When(np.array(at), np.ones(len(at)), np.ones(len(at)))}
            )
    with pytest.raises(pathjax.InputError, match="no hyperparameter 'momentum' to change"):
        of_hyperparameter("momentum").on_state(trees.index(members.state, 0), None, None, 1.0)
    with pytest.raises(pathjax.InputError, match="no other examples than its own"):
        of_example().on_batch(Batch(jnp.zeros(3), None, jax.random.key(0)), jax.random.key(0), None)


def kicked(stand, which):
    """One disturbed member, its interventions by name; and the dynamics."""
    plain, _, examples = stand
    dynamics = intervening(plain, {name: one for name, (one, _) in which.items()})
    params, made = network(jax.random.key(0))[1], {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.3}}
    start = pathjax.make_ensemble(dynamics, params, pathjax.gaussian(), jax.random.key(0), **made)
    state = start.state._replace(params=jax.tree.map(lambda w: w.at[3].set(w[0]), start.state.params))
    occasions = {name: When(np.array([-1, -1, -1, when[0]]), *when[1:]) for name, (_, when) in which.items()}
    return dynamics, pathjax.with_interventions(dynamics, start._replace(state=state), occasions), examples


def at(step, size=0.0, until=None):
    """When one disturbed member behind three controls is, without the controls' steps."""
    return step, np.array([0, 0, 0, size]), np.arange(4), until if until is None else np.array([-1, -1, -1, until])


def by_hand(stand, state, see, num_steps=8):
    """The disturbed member alone, with `see(t, state, batch) -> (state, batch)` before each step."""
    plain, _, examples = stand
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


def test_several_changes_of_one_batch_add_up(stand):
    label, weight = of_label(3), of_example_weight()
    dynamics, members, examples = kicked(stand, {"a": (label, at(3)), "b": (weight, at(3, 4.0))})
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.moved_by("a"), obs.moved_by("b")])

    def see(t, state, batch):
        if t == 3:
            batch = weight.on_batch(label.on_batch(batch, keys_of(3, 3, 3), None), keys_of(3, 3, 3), 4.0)
        return state, batch

    close(run, by_hand(stand, members.state, see))
    assert run.records["a_moved"][-1, 3] > 1e-3 and run.records["b_moved"][-1, 3] > 1e-3


def test_what_lasts_happens_at_each_of_its_steps_with_new_randomness(stand):
    noise, kick = of_label_noise(3), of_weights(pathjax.gaussian())
    dynamics, members, examples = kicked(stand, {"a": (noise, at(2, 0.5, 6)), "b": (kick, at(1, 0.1, 4))})
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.moved_by("b")])

    def see(t, state, batch):
        if 1 <= t < 4:
            state = kick.on_state(state, batch, keys_of(3, t, 1), jnp.float32(0.1))
        if 2 <= t < 6:
            batch = noise.on_batch(batch, keys_of(3, t, 2), 0.5)
        return state, batch

    close(run, by_hand(stand, members.state, see))
    np.testing.assert_allclose(run.records["b_moved"][:, 3], [0, 0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"member_tile": 1}, {"member_tile": 3, "mesh": pathjax.member_mesh(2)}])
def test_another_schedule_of_another_batch_size_all_along(stand, options):
    plain, _, examples = stand
    other = pathjax.batch_schedule(jax.random.key(9), 32, 4, num_steps=8)
    dynamics, members, examples = kicked(stand, {"other": (of_schedule(other), at(0, 0.0, 8))})
    run = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()], **options)
    alone = pathjax.rollout(plain, members, examples, other, [])
    close(run, trees.index(alone.ensemble.state, 0))
    assert (run.records["distance"][:, 1] == 0).all() and (run.records["distance"][1:, 3] > 0).all()


@pytest.mark.parametrize("optimizer", ["adam", "masked", "multi"])
def test_permuted_weights_keep_what_an_optimizer_knows_of_them(optimizer, stand):
    _, _, examples = stand
    params = network(jax.random.key(0))[1]
    halves = {name: "ab"[i % 2] for i, name in enumerate(params)}
    made = {
        "adam": optax.adam(0.05),
        "masked": optax.masked(optax.adam(0.05), {name: half == "a" for name, half in halves.items()}),
        "multi": optax.multi_transform({"a": optax.adam(0.05), "b": optax.sgd(0.1, momentum=0.9)}, halves),
    }[optimizer]

    def loss(params, examples):
        return loss_fn({name: params[name] for name in halves}, examples)

    params = params | ({"count": jnp.int32(3)} if optimizer == "adam" else {})
    dynamics = pathjax.training_dynamics(loss, made)
    state = dynamics.init(params, {})
    step = jax.jit(dynamics.step)
    for t in range(4):
        state, _ = step(state, batch_of(examples, t))
    spec = infer_spec(lambda p, x: relu_predict({n: p[n] for n in halves}, x), state.params, examples[0])
    moved = of_permutation(spec).on_state(state, None, jax.random.key(3), None)
    for t in range(4, 8):
        state, moved = (step(s, batch_of(examples, t))[0] for s in (state, moved))
    logits = [relu_predict({n: s.params[n] for n in halves}, examples[0]) for s in (state, moved)]
    np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)
    assert float(jnp.abs(state.params[next(iter(halves))] - moved.params[next(iter(halves))]).max()) > 0.05


def test_what_an_optimizer_keeps_in_other_shapes_is_not_permuted_wrongly(stand):
    _, state, examples = stand
    dynamics = pathjax.training_dynamics(loss_fn, optax.adafactor(0.1, min_dim_size_to_factor=2))
    own = dynamics.init(state.params, {})
    spec = infer_spec(relu_predict, state.params, examples[0])
    with pytest.raises(pathjax.InputError, match="like no weight's"):
        of_permutation(spec).on_state(own, None, jax.random.key(0), None)


def test_curvature_is_the_hessians_leading_direction(stand):
    _, state, examples = stand
    moved = change(along_curvature(loss_fn), state, examples, 1e-2)
    flat, unravel = jax.flatten_util.ravel_pytree(state.params)
    hessian = jax.hessian(lambda x: loss_fn(unravel(x), batch_of(examples).examples).mean())(flat)
    step = jax.flatten_util.ravel_pytree(moved.params)[0] - flat
    leading = np.linalg.eigh(hessian)[1][:, -1]
    assert abs(step @ leading) > 0.999 * np.linalg.norm(step)
    np.testing.assert_allclose(np.linalg.norm(step), 1e-2, rtol=1e-4)


def test_each_member_has_a_window_of_its_own(stand):
    plain, _, examples = stand
    dynamics = windowed(plain, ["learning_rate"])
    hparams = {"learning_rate": 0.3, "learning_rate/from": 0, "learning_rate/until": 0, "learning_rate/value": 0.0}
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": hparams}
    params = network(jax.random.key(0))[1]
    start = pathjax.make_ensemble(dynamics, params, pathjax.gaussian(), jax.random.key(0), **made)
    members = with_window(start, "learning_rate", [0, 2, 2, 2], [0, 5, 2, 8], [0, 0.0, 1.0, 0.6])
    distance = pathjax.rollout(dynamics, members, examples, PLAN, [obs.weight_distance()]).records["distance"]
    assert (distance[:3, 1] == 0).all() and (distance[3:, 1] > 0).all()
    assert distance[3, 2] < 1e-5  # which is one ulp away, and has a window that never opens
    with pytest.raises(pathjax.InputError, match="'momentum' has no window"):
        with_window(start, "momentum", 0, 1, 0.0)
    with pytest.raises(pathjax.InputError, match="windows go inside"):
        windowed(intervening(plain, {"kick": of_weights(pathjax.gaussian())}), ["learning_rate"])


HALF = of_hyperparameter("learning_rate")


@pytest.mark.parametrize(
    ("one", "sizes", "message"),
    [
        (of_weights(pathjax.on_sphere()), [3.0], "from -2 to 2"),
        (of_weights(pathjax.gaussian()), [float("nan")], "nan"),
        (of_ulps(), [0.5], "whole numbers from 1"),
        (of_batch(PLAN.indices), [20.0], "whole numbers from 0 to 7"),
        (of_label_noise(3), [1.5], "from 0 to 1"),
        (HALF, [float("inf")], "finite"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(stand, one, sizes, message):
    with pytest.raises(pathjax.InputError, match=message):
        grid(intervening(stand[0], {"kick": one}), stand, "kick", sizes=sizes)


def test_names_that_the_dynamics_do_not_know_are_refused(stand):
    dynamics = intervening(stand[0], {"kick": HALF})
    with pytest.raises(pathjax.InputError, match="no intervention 'kik': choose of kick"):
        grid(dynamics, stand, "kik")
    with pytest.raises(pathjax.InputError, match="there is a 'kick' already"):
        intervening(dynamics, {"kick": HALF})
    with pytest.raises(pathjax.InputError, match="expected an Intervention"):
        intervening(stand[0], {"kick": pathjax.gaussian()})
    members = grid(dynamics, stand, "kick")
    for name in ("learning", "kick/at_step"):
        with pytest.raises(pathjax.InputError, match=f"no hyperparameter '{name}' to sweep: choose of learning_rate"):
            pathjax.sweep(dynamics, members, [{name: 1.0}])


def test_parts_that_are_not_among_the_changes_may_not_change(stand):
    quiet = of_optimizer_state(pathjax.gaussian())._replace(changes=("params",))
    dynamics = intervening(stand[0], {"kick": quiet})
    with pytest.raises(pathjax.InputError, match="'kick' changes opt_state"):
        pathjax.rollout(dynamics, grid(dynamics, stand, "kick"), stand[2], PLAN, [])
