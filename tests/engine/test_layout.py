"""A member has the same path on any tile and device."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, schedule
from pathjax.engine import loop as compiled
from pathjax.engine.layout import auto_mesh, member_mesh, plan_layout
from pathjax.engine.loop_types import Inputs
from pathjax.engine.planning import layout_of, program_of
from pathjax.engine.sharding import place, spread, to_member_order, to_row_order
from pathjax.training.optimizers import named_optimizer

obs = pathjax.observables


@pytest.fixture(scope="module")
def problem():
    """A network, 23 members, and observables of all scopes and several cadences."""
    key = jax.random.key(0)
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, num_seeds=10)
    spread = pathjax.Observable(
        init=lambda snapshot: (),
        read=lambda carry, snapshot: (carry, {"spread": snapshot.state.params["w0"].std(axis=0).mean()}),
        update=None,
        every=4,
        scope="ensemble",
        variables=(pathjax.Variable("spread", (), "1", "spread of a layer over members"),),
    )
    measures = [
        obs.weight_distance(),
        obs.batch_loss(every=2),
        obs.lyapunov(key, dynamics, 2, every=2),
        obs.weight_autocorrelation((0, 4), every=4),
        spread,
    ]
    return dynamics, members, examples, measures


def roll(problem, **options):
    dynamics, members, examples, measures = problem
    return pathjax.rollout(
        dynamics, members, examples, schedule(16), measures, options=pathjax.RolloutOptions(chunk_length=8, **options)
    )


@pytest.fixture(scope="module")
def single_tile(problem):
    return roll(problem, member_tile=None)


OTHERS = [m for m in range(23) if m != 2]  # without the roundoff member, whose distance is all rounding
MORE = [(7, 1), (22, 1), (1, 2), (3, 4), (None, 8)]
LAYOUTS = [(3, 1), (3, 8), (None, 5), *(pytest.param(*more, marks=pytest.mark.slow) for more in MORE)]


@pytest.mark.slow
@pytest.mark.parametrize(("tile", "num_devices"), LAYOUTS)
def test_tiles_and_devices_change_results_only_by_rounding(problem, single_tile, tile, num_devices):
    result = roll(problem, member_tile=tile, mesh=member_mesh(num_devices))
    assert result.records.keys() == single_tile.records.keys()
    floor = single_tile.records["distance"][:, 2].max()
    for name, record in single_tile.records.items():
        assert result.records[name].shape == record.shape, name
        both = [r[:, OTHERS] if r.shape[1:2] == (23,) else r for r in (result.records[name], record)]
        np.testing.assert_allclose(*both, rtol=1e-4, atol=10 * floor, err_msg=name)
    for a, b in zip(jax.tree.leaves(result.ensemble.state), jax.tree.leaves(single_tile.ensemble.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=10 * floor)
    assert np.all(result.records["distance"][:, :2] == 0.0)  # the baseline and the replica


@pytest.mark.slow
def test_tiles_of_equal_width_give_the_same_bits_on_any_number_of_devices(problem):
    one, *others = (roll(problem, member_tile=3, mesh=member_mesh(n)) for n in (1, 2, 8))
    for other in others:
        assert_equal_trees(other.ensemble.state, one.ensemble.state)
        for name, record in one.records.items():
            if name in ("log_growth", "tangent_collapse"):  # shared records, compiled differently for each layout
                np.testing.assert_allclose(other.records[name], record, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(other.records[name], record, err_msg=name)


def assert_equal_trees(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter", "collective-broadcast")


def compiled_text(problem, measures):
    dynamics, members, examples, _ = problem
    layout = layout_of(members, 3, member_mesh(8))
    program, data = program_of(dynamics, measures, layout)
    plan = schedule(16)
    inputs = place(layout, Inputs(data, examples, plan.key), jax.sharding.PartitionSpec())
    loop, _ = compiled.start(program, spread(layout, members.state), inputs)
    return compiled.run_chunk.lower(program, loop, inputs, (plan.indices, plan.weights)).compile().as_text()


def test_devices_communicate_only_for_observables_of_all_members(problem):
    *local, across = problem[3]
    text = compiled_text(problem, local)
    assert "while" in text and not [word for word in COLLECTIVES if word in text]
    assert "all-gather" in compiled_text(problem, [*local, across])


@pytest.mark.parametrize("options", [{"member_tile": None}, {"member_tile": 3}, {"mesh": member_mesh(2)}])
def test_an_observable_of_all_members_sees_them_in_the_ensembles_order(problem, options):
    dynamics, members, examples, _ = problem
    names = ("w0", ("which",), "1", "one weight of each member")

    def now(carry, snapshot):
        return carry, {"w0": snapshot.state.params["w0"][:, 0, 0]}

    one = pathjax.Observable(lambda snapshot: (), now, None, 4, "ensemble", (pathjax.Variable(*names),))
    result = pathjax.rollout(dynamics, members, examples, schedule(8), [one], options=pathjax.RolloutOptions(**options))
    np.testing.assert_array_equal(result.records["w0"][0], members.state.params["w0"][:, 0, 0])
    np.testing.assert_array_equal(result.records["w0"][-1], result.ensemble.state.params["w0"][:, 0, 0])


def test_the_carry_of_an_observable_of_all_members_is_in_the_ensembles_order(problem):
    dynamics, members, examples, _ = problem

    def init(snapshot):
        return jnp.zeros(23)

    def update(carry, transition):
        return carry + transition.info.loss

    variable = pathjax.Variable("sum", ("which",), "nats", "sum of the losses of each member")
    measure = pathjax.Observable(
        init, lambda carry, snapshot: (carry, {"sum": carry}), update, 4, "ensemble", (variable,)
    )
    records = roll(problem[:3] + ([measure, obs.batch_loss()],), member_tile=None).records
    np.testing.assert_allclose(records["sum"][-1], records["batch_loss"][1:].sum(0), rtol=1e-5)


def test_large_members_share_cores():
    assert auto_mesh(100, 2**20).size == 8 and auto_mesh(100, 2**24) is None


def test_leaves_without_elements_are_supported(key):
    dynamics = pathjax.map_dynamics(lambda state, batch: {"x": 2 * state["x"], "none": state["none"]})
    params = {"x": jnp.ones(3), "none": jnp.zeros((2, 0))}
    members = ensemble(dynamics, params, key)
    for options in ({}, {"member_tile": 2}, {"member_tile": 1, "mesh": member_mesh(2)}):
        result = pathjax.rollout(
            dynamics,
            members,
            jnp.zeros(8),
            schedule(4),
            [obs.weight_distance(every=2)],
            options=pathjax.RolloutOptions(**options),
        )
        assert result.ensemble.state.params["none"].shape == (7, 2, 0)
        np.testing.assert_allclose(result.records["distance_growth"][-1, 3:], 16, rtol=1e-5)


def test_an_observable_of_all_members_with_an_update_needs_one_tile(problem):
    dynamics, members, examples, measures = problem
    updating = measures[-1]._replace(update=lambda carry, transition: carry)
    with pytest.raises(pathjax.InputError, match="member_tile=None"):
        pathjax.rollout(
            dynamics, members, examples, schedule(16), [updating], options=pathjax.RolloutOptions(member_tile=3)
        )
    fast = [obs.batch_loss(every=8), measures[-1]]
    with pytest.raises(pathjax.InputError, match="every=4.*every=8"):
        pathjax.rollout(dynamics, members, examples, schedule(16), fast, options=pathjax.RolloutOptions(member_tile=3))


@pytest.mark.parametrize(("num_members", "tile", "num_devices"), [(2, 3, 1), (10, 4, 2), (1, 2, 8), (23, 5, 3)])
def test_members_are_padded_and_return_in_member_order(num_members, tile, num_devices):
    layout = plan_layout(num_members, 4, tile, member_mesh(num_devices))
    values = np.arange(float(num_members))
    rows = to_row_order(layout, values)
    assert len(rows) == layout.num_rows >= num_members - 1 + num_devices
    np.testing.assert_array_equal(rows.reshape(num_devices, -1)[:, 0], 0.0)  # each device has a copy of the baseline
    np.testing.assert_array_equal(to_member_order(layout, rows), values)


@pytest.mark.parametrize("member_tile", [0, -1, "some", 1.5, True])
def test_invalid_tile_widths_raise(member_tile):
    with pytest.raises(pathjax.InputError, match="member_tile must be a positive integer"):
        plan_layout(10, 4, member_tile)


def test_numpy_integers_are_valid_widths_and_a_mesh_has_one_axis():
    assert plan_layout(10, 4, np.int64(2)).tile == 2
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("data",))
    with pytest.raises(pathjax.InputError, match="make it with member_mesh"):
        plan_layout(10, 4, mesh=mesh)


def test_too_many_devices_raise():
    with pytest.raises(pathjax.InputError, match="num_devices must be 1 to 8, not 9"):
        member_mesh(9)


def test_members_too_large_for_the_cache_advance_one_by_one_and_small_ensembles_together():
    assert plan_layout(100, member_bytes=10**9).tile == 1
    assert plan_layout(10, member_bytes=1000).num_tiles == 1
    assert plan_layout(100, member_bytes=5 * 10**5).num_tiles > 1


@pytest.mark.slow
def test_a_replica_in_another_tile_stays_exact_beside_tangents(x64, key):
    """XLA once merged the tangents' linearization with the step, in the first tile alone (seen compiled well)."""
    keys = jax.random.split(key, 2)
    inputs, labels = jax.random.uniform(keys[0], (290, 64)), jax.random.randint(keys[1], (290,), 0, 10)

    def loss_fn(params, examples):
        logits = examples[0] @ params["kernel"].T + params["bias"][None]
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    optimizer = named_optimizer("muon", {"learning_rate": 0.01, "weight_decay": 0.06, "beta": 0.8})
    dynamics = pathjax.training_dynamics(loss_fn, optimizer)
    params = {"kernel": jax.random.normal(key, (10, 64)), "bias": jnp.zeros(10)}
    hparams = {"learning_rate": 0.01, "weight_decay": 0.06, "beta": 0.8}
    members = ensemble(dynamics, params, key, hparams=hparams, perturbation=pathjax.gaussian())
    measures = [obs.weight_distance(every=4), obs.lyapunov(key, dynamics, 4, every=4)]
    options = pathjax.RolloutOptions(member_tile=1, mesh=pathjax.member_mesh(2))
    plan = schedule(8, 290, 290)
    found = pathjax.rollout(dynamics, members, (inputs, labels), plan, measures, options).records["distance"]
    assert (found[:, 1] == 0).all() and (found[:, 3:] > 0).all()
