"""Rollouts that do not fit into memory are tiled, or raise with the bytes needed."""

import re

import jax
import numpy as np
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, schedule
from pathjax.core import trees
from pathjax.engine import layout, memory, planning
from pathjax.engine import loop as compiled
from pathjax.engine.layout import member_mesh
from pathjax.engine.loop_types import Inputs
from pathjax.engine.sharding import spread
from pathjax.engine.streaming import rows_of

obs = pathjax.observables


@pytest.fixture(scope="module")
def problem():
    """A network of 53,130 weights, with 43 members."""
    key = jax.random.key(0)
    dynamics, params, examples = network(key, sizes=(500, 100, 30))
    return dynamics, ensemble(dynamics, params, key, num_seeds=20), examples


def planned(problem, **options):
    dynamics, members, examples = problem
    return planning.plan_rollout(
        dynamics, members, examples, schedule(64), [obs.weight_distance(every=4)], pathjax.RolloutOptions(**options)
    )


def compiled_bytes(problem, **options):
    """The compiled program's bytes according to the compiler, plus those of the given ensemble."""
    _, members, examples = problem
    plan = planned(problem, **options)
    batches = schedule(64)
    inputs = Inputs(plan.data, examples, batches.key)
    loop, _ = compiled.start(plan.program, spread(plan.program.layout, members.state), inputs)
    part = rows_of(batches, 0, plan.chunk_length)
    program = compiled.run_chunk.lower(plan.program, loop, inputs, part).compile()
    return memory.of_compiled(program) + sum(leaf.nbytes for leaf in jax.tree.leaves(members.state))


@pytest.mark.parametrize("tile", [None, 10, 1])
def test_the_estimate_is_close_to_the_compilers(problem, tile):
    estimate, actual = planned(problem, member_tile=tile).num_bytes, compiled_bytes(problem, member_tile=tile)
    assert 0.8 < estimate / actual < 1.6


@pytest.mark.parametrize("tile", [None, 10, 1])
def test_the_start_fits_too(problem, tile):
    _, members, examples = problem
    plan = planned(problem, member_tile=tile)
    inputs = Inputs(plan.data, examples, schedule(64).key)
    traced = compiled.begin.trace(plan.program, spread(plan.program.layout, members.state), inputs)
    assert memory.of_compiled(traced.lower().compile()) <= plan.num_bytes - plan.outside_bytes


def test_each_device_needs_its_share(problem):
    one, four = (planned(problem, member_tile=4, mesh=mesh) for mesh in (None, member_mesh(4)))
    assert four.num_bytes - four.outside_bytes < 0.6 * (one.num_bytes - one.outside_bytes)
    # The given ensemble is stored once, and a CPU's devices share it.
    assert one.outside_bytes == sum(leaf.nbytes for leaf in jax.tree.leaves(problem[1].state)) == 4 * four.outside_bytes


@pytest.mark.parametrize("mesh", [None, member_mesh(4)])
def test_checks_need_a_copy_of_the_state_on_each_device(problem, mesh):
    plain, checked = (planned(problem, member_tile=4, mesh=mesh, checks=checks) for checks in (False, True))
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(problem[1].state))
    assert 0.9 < (checked.num_bytes - plain.num_bytes) / (state / (4 if mesh else 1)) < 1.3


def test_tiles_become_narrower_until_they_fit(problem, monkeypatch):
    monkeypatch.setattr(layout, "TILE_BYTES", 2**40)  # as if the cache held all
    needed = {tile: planned(problem, member_tile=tile).num_bytes for tile in (43, 15, 1)}
    assert needed[43] > needed[15] > needed[1]
    for available, widths in [(needed[43], {43}), (needed[15], {15}), (needed[15] - 1, {7, 3, 1}), (needed[1], {1})]:
        plan = planned(problem, memory_bytes=available)
        assert plan.num_bytes <= available and plan.program.layout.tile in widths


def test_a_rollout_that_cannot_fit_raises_with_the_bytes(problem):
    needed = planned(problem, member_tile=1).num_bytes
    with pytest.raises(pathjax.InputError, match="43 members, one member at a time, need") as caught:
        planned(problem, memory_bytes=needed - 1)
    assert f"{needed:,} bytes" in str(caught.value) and f"{needed - 1:,}" in str(caught.value)
    with pytest.raises(pathjax.InputError, match="narrower tiles"):
        planned(problem, member_tile=43, memory_bytes=needed)


@pytest.mark.slow
def test_the_compilers_account_overrides_the_estimate(problem, monkeypatch):
    """If the estimate is too low, tiles become narrower after compiling."""
    dynamics, members, examples = problem
    monkeypatch.setattr(memory, "of_traced", lambda jaxpr: 0)
    actual = {tile: compiled_bytes(problem, member_tile=tile) for tile in (43, 1)}
    arguments = (dynamics, members, examples, schedule(64), [obs.weight_distance(every=4)])
    chunks = list(
        pathjax.rollout_chunks(
            *arguments, options=pathjax.RolloutOptions(memory_bytes=(actual[43] + actual[1]) // 2, member_tile="auto")
        )
    )
    assert len(chunks[-1].loop.members.alive) != 42  # no longer one tile
    assert chunks[-1].records["distance"].shape == (16, 43)
    with pytest.raises(pathjax.InputError, match=re.escape(f"{actual[1]:,} bytes")):
        list(
            pathjax.rollout_chunks(
                *arguments, options=pathjax.RolloutOptions(memory_bytes=actual[1] - 1, member_tile="auto")
            )
        )


@pytest.mark.slow
def test_the_baselines_path_is_divided_into_blocks(problem, monkeypatch):
    dynamics, members, examples = problem
    measures = [obs.weight_distance(every=2), obs.batch_loss(every=4)]

    def rolled():
        return pathjax.rollout(
            dynamics, members, examples, schedule(64), measures, options=pathjax.RolloutOptions(member_tile=5)
        )

    one_block = rolled()
    state = trees.num_bytes(trees.index(members.state, 0))
    monkeypatch.setattr(compiled, "PATH_BYTES", 10 * state)
    program, data = planning.program_of(dynamics, measures, planning.layout_of(members, 5))
    one = trees.index(members.state, 0)
    assert compiled.block_length(program, 64, one, data) == 8  # 4 records and 2 more; 12 steps would fit, not divide 64
    jax.clear_caches()
    for name, record in rolled().records.items():
        np.testing.assert_array_equal(record, one_block.records[name])
    jax.clear_caches()


def test_devices_share_the_memory_of_a_machine():
    assert memory.of_device(member_mesh(4)) == memory.of_machine() // 4
