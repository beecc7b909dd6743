"""Observables whose update sees the baseline, their data and gradients: the same numbers in any layout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax import observables as obs
from pathjax.interventions import intervened, of_weights

KEY = jax.random.key(0)
INPUTS, LABELS = jax.random.normal(KEY, (60, 5)), jax.random.randint(KEY, (60,), 0, 3)
SCHEDULE = pathjax.batch_schedule(KEY, 60, 10, num_steps=20)
START = {"first": jax.random.normal(KEY, (5, 17)), "last": jax.random.normal(jax.random.key(1), (17, 3))}


def loss_fn(w, examples):
    logits = jax.nn.relu(examples[0] @ w["first"]) @ w["last"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])


DYNAMICS = pathjax.training_dynamics(loss_fn, optax.sgd(0.1, momentum=0.9))


def crossings(every=5):
    """Counts the differences of activation patterns from the baseline's, on each step's batch and on a fixed set."""

    def pattern(transition, inputs):
        return inputs @ transition.before.params["first"] > 0

    def update(counts, t):
        on_batch = pattern(t, t.batch.examples[0]) != pattern(t.baseline, t.baseline.batch.examples[0])
        on_set = pattern(t, t.data) != pattern(t.baseline, t.data)
        return counts + jnp.array([on_batch.sum(), on_set.sum()])

    def read(counts, snapshot):
        return counts, {"crossings": counts}

    variables = (pathjax.Variable("crossings", ("where",), "1", "differences of patterns so far"),)
    start = lambda snapshot: jnp.zeros(2, jnp.int32)  # noqa: E731
    return pathjax.Observable(start, read, update, every, "member", variables, INPUTS[:20], needs=("baseline",))


def alignment(every=5):
    """Records the inner product of a member's gradient with the baseline's, at the last step."""

    def update(carry, t):
        products = jax.tree.map(jnp.vdot, t.info.gradients, t.baseline.info.gradients)
        return sum(jax.tree.leaves(products))

    def read(carry, snapshot):
        return carry, {"alignment": carry}

    variables = (pathjax.Variable("alignment", (), "1", "inner product of gradients"),)
    start = lambda snapshot: jnp.zeros(())  # noqa: E731
    needs = ("baseline", "gradients")
    return pathjax.Observable(start, read, update, every, "member", variables, needs=needs)


def perturbed():
    made = {"epsilons": [0.01, 0.1], "num_seeds": 5}
    return DYNAMICS, pathjax.perturbed_ensemble(KEY, DYNAMICS, START, pathjax.on_sphere(), **made), SCHEDULE


def kicked():
    dynamics = intervened(DYNAMICS, {"kick": of_weights(pathjax.gaussian())})
    grid = pathjax.InterventionGrid([3, 11], [0.5], 4)
    return dynamics, pathjax.intervened_ensemble(KEY, dynamics, START, "kick", grid), SCHEDULE


def forked():
    both = pathjax.independent_ensemble(DYNAMICS, jax.tree.map(lambda a: jnp.stack([a, a + 0.1]), START))
    schedule = pathjax.fork_schedule(KEY, SCHEDULE, 4, 5, 60)
    return DYNAMICS, pathjax.with_schedules(pathjax.fork(both, 4), np.arange(8) % 4), schedule


MADE = {"perturbed": perturbed, "kicked": kicked, "forked": forked}
LAYOUTS = {
    "many tiles": {"member_tile": 3},
    "one by one": {"member_tile": 1},
    "two devices": {"member_tile": 2, "mesh": pathjax.member_mesh(2)},
}


@functools.cache
def run(name, layout="one tile"):
    dynamics, members, schedule = MADE[name]()
    options = pathjax.RolloutOptions(**({"member_tile": None} | LAYOUTS.get(layout, {})))
    measures = [crossings(), alignment(), obs.weight_distance(every=1)]
    return pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, measures, options).records


EACH = [(name, layout) for name in MADE for layout in LAYOUTS]
FAST = {("perturbed", layout) for layout in LAYOUTS} | {("forked", "two devices")}


@pytest.mark.parametrize(
    ("name", "layout"), [pytest.param(*one, marks=() if one in FAST else pytest.mark.slow) for one in EACH]
)
def test_counts_against_the_baseline_are_the_same_in_any_layout(name, layout):
    found, expected = run(name, layout), run(name)
    np.testing.assert_array_equal(found["crossings"], expected["crossings"])
    np.testing.assert_allclose(found["alignment"], expected["alignment"], rtol=1e-4, atol=1e-5)
    assert expected["crossings"][-1, 3:].min() > 0 and (expected["crossings"][:, 0] == 0).all()


def test_counts_and_gradients_are_those_of_plain_loops():
    dynamics, members, schedule = perturbed()
    step = jax.jit(dynamics.step)
    counts, inner = np.zeros((13, 2), int), np.zeros(13)
    states = [jax.tree.map(lambda a, m=m: a[m], members.state) for m in range(13)]
    for t, rows in enumerate(np.asarray(schedule.indices)):
        batch = pathjax.Batch((INPUTS[rows], LABELS[rows]), None, jax.random.fold_in(schedule.key, t))
        gradients = [jax.grad(lambda w: loss_fn(w, batch.examples).mean())(state.params) for state in states]  # noqa: B023
        inner = [sum(jnp.vdot(g[name], gradients[0][name]) for name in g) for g in gradients]
        for i, x in enumerate((INPUTS[rows], INPUTS[:20])):
            patterns = [x @ state.params["first"] > 0 for state in states]
            counts[:, i] += [int((own != patterns[0]).sum()) for own in patterns]
        states = [step(state, batch)[0] for state in states]
    found = run("perturbed")
    # Where a unit is within rounding of its kink, the vmapped and the plain product may disagree.
    assert np.abs(found["crossings"][-1] - counts).max() <= 2
    np.testing.assert_allclose(found["alignment"][-1], inner, rtol=1e-3, atol=1e-4)


def test_nothing_is_stored_or_computed_for_observables_that_do_not_ask():
    seen = []

    def update(carry, transition):
        seen.append((transition.baseline, transition.info.gradients))
        return carry

    variables = (pathjax.Variable("nothing", (), "1", "nothing"),)
    silent = pathjax.Observable(
        lambda s: (), lambda c, s: (c, {"nothing": jnp.zeros(())}), update, 5, "member", variables
    )
    dynamics, members, schedule = perturbed()
    options = pathjax.RolloutOptions(member_tile=3)
    pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, [silent, crossings()], options)
    assert seen and all(pair == (None, None) for pair in seen)


def test_unknown_needs_and_missing_gradients_are_one_line():
    dynamics, members, schedule = perturbed()
    unknown = alignment()._replace(needs=("hessian",))
    with pytest.raises(pathjax.InputError, match="'alignment' needs 'hessian': choose from baseline, gradients"):
        pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, [unknown])
    doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    made = {"epsilons": [0.1], "num_seeds": 1}
    flat = pathjax.perturbed_ensemble(KEY, doubling, jnp.ones(9), pathjax.gaussian(), **made)
    with pytest.raises(pathjax.InputError, match="'alignment' needs gradients, and the dynamics have none"):
        pathjax.rollout(doubling, flat, jnp.zeros(60), SCHEDULE, [alignment()])
