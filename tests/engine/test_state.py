"""Model state and noise stay with their member through tiles, devices, sweeps and checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.engine.planning import abstract_loop, layout_of
from pathjax.engine.rollout import member_states
from pathjax.io import checkpoints
from pathjax.tangents.propagate import split_moving


@pytest.fixture(scope="module")
def rolled_with():
    """Dynamics, an ensemble whose members each have their own model state and noise, and the examples."""
    key = jax.random.key(0)
    _, params, examples = network(key)

    def loss_fn(params, carried, examples, key):
        inputs, labels = examples
        loss = optax.softmax_cross_entropy_with_integer_labels(predict(params, inputs), labels)
        return loss, {"mean": carried["mean"] + 1, "count": carried["count"] + 1}

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["rate"]), model_state=True, stochastic=True)
    start = pathjax.Network(params, {"mean": jnp.zeros(2), "count": jnp.array(0)})
    members = ensemble(dynamics, start, key, hparams={"rate": 0.1})
    num = len(members.members.role)
    carried = {"mean": jnp.arange(2.0 * num).reshape(num, 2), "count": jnp.arange(num)}
    members = members._replace(
        state=members.state._replace(model_state=carried, noise=jnp.arange(num, dtype=jnp.uint32))
    )
    return dynamics, members, examples


@pytest.mark.parametrize("options", [{}, {"member_tile": 1}, {"member_tile": 2, "mesh": pathjax.member_mesh(2)}])
def test_members_keep_their_state_through_tiles_and_devices(rolled_with, options):
    dynamics, members, examples = rolled_with
    end = pathjax.rollout(
        dynamics, members, examples, schedule(4), [], options=pathjax.RolloutOptions(**options)
    ).ensemble.state
    np.testing.assert_array_equal(end.noise, members.state.noise)
    after = jax.tree.map(lambda leaf: leaf + 4, members.state.model_state)  # four steps
    jax.tree.map(np.testing.assert_array_equal, end.model_state, after)
    assert not np.array_equal(end.params["w0"], members.state.params["w0"])


def test_a_sweep_copies_the_state_to_each_setting(rolled_with):
    dynamics, members, _ = rolled_with
    swept = pathjax.sweep(dynamics, members, [{"rate": 0.1}, {"rate": 0.2}]).state
    for name in ("model_state", "noise"):
        for leaf, stacked in zip(*(jax.tree.leaves(getattr(s, name)) for s in (members.state, swept)), strict=True):
            np.testing.assert_array_equal(stacked, np.stack([leaf, leaf]))


def test_checkpoints_contain_the_state(rolled_with, tmp_path):
    dynamics, members, examples = rolled_with
    *_, last = pathjax.rollout_chunks(dynamics, members, examples, schedule(4), [])
    layout = layout_of(members)
    with checkpoints.open_checkpoints(tmp_path) as checkpointer:
        checkpoints.save(checkpointer, 4, last.loop, {}, after=0)
        found = checkpoints.load_latest(checkpointer, abstract_loop(members, [], layout), layout)
    for a, b in zip(*(jax.tree.leaves(loop) for loop in (found.loop, last.loop)), strict=True):
        np.testing.assert_array_equal(a, b)
    after = jax.tree.map(lambda leaf: leaf + 4, members.state.model_state)
    jax.tree.map(np.testing.assert_array_equal, member_states(members, found.loop).model_state, after)


def test_floats_of_the_model_state_carry_tangents(rolled_with):
    _, members, _ = rolled_with
    state = jax.tree.map(lambda leaf: leaf[0], members.state)
    moving, rest = split_moving(state)
    assert moving.model_state["count"] is None and moving.model_state["mean"].shape == (2,)
    assert rest.model_state["mean"] is None and jax.tree.leaves(moving.interventions) == []
