"""Model state and noise stay with their member through tiles, devices, sweeps and checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, schedule
from pathjax.engine.planning import abstract_loop, layout_of
from pathjax.engine.rollout import member_states
from pathjax.io import checkpoints
from pathjax.tangents.propagate import split_moving


@pytest.fixture(scope="module")
def rolled_with():
    """Dynamics, an ensemble whose members each have their own model state and noise, and the examples."""
    key = jax.random.key(0)
    dynamics, params, examples = network(key, optimizer=lambda h: optax.sgd(h["rate"]))
    members = ensemble(dynamics, params, key, hparams={"rate": 0.1})
    num = len(members.members.role)
    carried = {"mean": jnp.arange(2.0 * num).reshape(num, 2), "count": jnp.arange(num)}
    noise = jax.random.key_data(jax.random.split(jax.random.key(1), num))
    members = members._replace(state=members.state._replace(model_state=carried, noise=noise))
    return dynamics, members, examples


@pytest.mark.parametrize("options", [{}, {"member_tile": 1}, {"member_tile": 2, "mesh": pathjax.member_mesh(2)}])
def test_members_keep_their_state_through_tiles_and_devices(rolled_with, options):
    dynamics, members, examples = rolled_with
    end = pathjax.rollout(
        dynamics, members, examples, schedule(4), [], options=pathjax.RolloutOptions(**options)
    ).ensemble.state
    for name in ("model_state", "noise"):
        jax.tree.map(np.testing.assert_array_equal, getattr(end, name), getattr(members.state, name))
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
    jax.tree.map(
        np.testing.assert_array_equal,
        member_states(members, found.loop).model_state,
        members.state.model_state,
    )


def test_model_state_carries_no_tangents(rolled_with):
    _, members, _ = rolled_with
    state = jax.tree.map(lambda leaf: leaf[0], members.state)
    moving, rest = split_moving(state)
    assert jax.tree.leaves(moving.model_state) == [] and jax.tree.leaves(moving.interventions) == []
    assert jax.tree.leaves(rest.model_state) != []
