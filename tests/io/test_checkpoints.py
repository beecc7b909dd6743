"""Checkpoints: written, read, damaged and lost."""

import logging
import pathlib
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.full_disks import files_of_at_most
from helpers.toy_maps import small_rollout
from pathjax.engine.planning import abstract_loop, layout_of
from pathjax.engine.rollout import join_records, member_states
from pathjax.io import checkpoints, orbax_errors


@pytest.fixture(scope="module")
def rolled():
    return small_rollout()


def saved(rolled, folder):
    """Checkpoints of steps 2 and 4; returns the last loop state."""
    (dynamics, members, examples, plan, measures), _ = rolled
    with checkpoints.open_checkpoints(folder) as checkpointer:
        records = []
        for chunk in pathjax.rollout_chunks(
            dynamics, members, examples, plan, measures, options=pathjax.RolloutOptions(chunk_length=2)
        ):
            records.append(chunk.records)
            if chunk.step:
                checkpoints.save(checkpointer, chunk.step, chunk.loop, join_records(records), after=chunk.step - 2)
                records, last = [], jax.tree.map(jnp.copy, chunk.loop)
    return last


def load(rolled, folder):
    (_, members, _, _, measures), _ = rolled
    layout = layout_of(members)
    with checkpoints.open_checkpoints(folder) as checkpointer:
        found = checkpoints.load_latest(checkpointer, abstract_loop(members, measures, layout), layout)
        return found, found and checkpoints.load_records(checkpointer, found.step)


def test_a_checkpoint_restores_the_same_bits_and_types(rolled, tmp_path):
    assert load(rolled, tmp_path / "nothing") == (None, None)
    last = saved(rolled, tmp_path)
    assert checkpoints.move_unusable_aside(tmp_path) == []
    found, records = load(rolled, tmp_path)
    assert found.step == 4 and jax.tree.structure(found.loop) == jax.tree.structure(last)
    for a, b in zip(jax.tree.leaves(found.loop), jax.tree.leaves(last), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    for name, record in records.items():
        np.testing.assert_allclose(record, rolled[1].records[name], rtol=1e-5, atol=1e-6)


def test_float64_is_restored_exactly(x64, tmp_path):
    dynamics = pathjax.map_dynamics(lambda x, batch: x / 3)
    key, start = jax.random.key(0), jnp.linspace(1.0, 2.0, 5)
    members = pathjax.perturbed_ensemble(key, dynamics, start, pathjax.gaussian(), epsilons=[0.1], num_seeds=1)
    plan = pathjax.batch_schedule(key, 4, batch_size=2, num_steps=2)
    *_, last = pathjax.rollout_chunks(dynamics, members, jnp.zeros(4), plan, [])
    with checkpoints.open_checkpoints(tmp_path) as checkpointer:
        checkpoints.save(checkpointer, 2, last.loop, {}, after=0)
        layout = layout_of(members)
        found = checkpoints.load_latest(checkpointer, abstract_loop(members, [], layout), layout)
    before, after = (np.asarray(loop.members.state.params) for loop in (last.loop, found.loop))
    assert after.dtype == np.float64
    np.testing.assert_array_equal(after, before)


def flip(path):
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {"flipped": flip, "truncated": truncate, "missing": pathlib.Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE)
def test_if_any_file_is_damaged_the_previous_checkpoint_is_used_and_nothing_is_lost(rolled, tmp_path, damage):
    saved(rolled, tmp_path / "complete")
    newest = tmp_path / "complete" / "states" / "4"
    files = [p.relative_to(tmp_path / "complete") for p in newest.rglob("*") if p.is_file() and p.stat().st_size]
    files.append(pathlib.Path("records") / "000000000002-000000000004.npz")
    for i, name in enumerate(files):
        folder = tmp_path / str(i)
        shutil.copytree(tmp_path / "complete", folder)
        DAMAGE[damage](folder / name)
        (line,) = checkpoints.move_unusable_aside(folder)
        assert line.startswith("the checkpoint of step 4 cannot be used: "), line
        assert (folder / "unusable" / "4-0").is_dir()
        if i in (0, len(files) - 1):
            assert load(rolled, folder)[0].step == 2


def test_if_no_checkpoint_is_complete_nothing_is_moved(rolled, tmp_path):
    saved(rolled, tmp_path)
    truncate(tmp_path / "records" / "000000000000-000000000002.npz")
    with pytest.raises(pathjax.InputError, match="None is left to resume from; restore their files"):
        checkpoints.move_unusable_aside(tmp_path)
    assert {path.name for path in (tmp_path / "states").iterdir()} == {"2", "4"}


def test_an_unfinished_checkpoint_is_ignored(rolled, tmp_path):
    saved(rolled, tmp_path)
    (tmp_path / "digests" / "4.json").unlink()
    assert len(checkpoints.move_unusable_aside(tmp_path)) == 1
    assert load(rolled, tmp_path)[0].step == 2
    (tmp_path / "digests" / "2.json").unlink()
    assert len(checkpoints.move_unusable_aside(tmp_path)) == 1
    assert load(rolled, tmp_path) == (None, None)


@pytest.mark.parametrize("lost", ["digests", "states", "records"])
def test_if_a_folder_is_lost_all_checkpoints_are_named_and_nothing_is_moved(rolled, tmp_path, lost):
    saved(rolled, tmp_path)
    shutil.rmtree(tmp_path / lost)
    left = sorted(tmp_path.rglob("*"))
    with pytest.raises(pathjax.InputError, match="step 4 cannot be used.*step 2 cannot be used.*None is left"):
        checkpoints.move_unusable_aside(tmp_path)
    assert sorted(tmp_path.rglob("*")) == left


def test_digests_without_a_checkpoint_are_ignored(rolled, tmp_path):
    saved(rolled, tmp_path)
    (tmp_path / "digests" / "0.json").write_text("{}")  # as a kill between saving 4 and forgetting 0 would leave them
    assert checkpoints.move_unusable_aside(tmp_path) == []
    (tmp_path / "digests" / "4.json").unlink()
    assert len(checkpoints.move_unusable_aside(tmp_path)) == 1
    assert checkpoints.move_unusable_aside(tmp_path) == []


def test_a_checkpoint_without_its_folder_is_named(rolled, tmp_path):
    saved(rolled, tmp_path)
    shutil.rmtree(tmp_path / "states" / "4")
    (line,) = checkpoints.move_unusable_aside(tmp_path)
    assert "step 4 cannot be used" in line and "missing" in line
    assert checkpoints.move_unusable_aside(tmp_path) == [] and load(rolled, tmp_path)[0].step == 2


def test_a_failed_write_leaves_previous_checkpoints(rolled, tmp_path, monkeypatch):
    saved(rolled, tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(pathjax.InputError, match="No space left on device.*free disk space.*--resume"):
        saved(rolled, tmp_path)
    assert checkpoints.move_unusable_aside(tmp_path) == [] and load(rolled, tmp_path)[0].step == 4


def test_a_write_that_fails_in_orbax_is_raised_once_and_not_logged(rolled, tmp_path, caplog):
    """Leaving the checkpointer raises the failure again, which must not replace the line that says what to do."""
    last = saved(rolled, tmp_path)
    with (
        pytest.raises(pathjax.InputError, match=r"step 6 cannot be written to .* \(.*File too large.*--resume"),
        checkpoints.open_checkpoints(tmp_path) as checkpointer,
        files_of_at_most(1000),
    ):
        checkpoints.save(checkpointer, 6, last, {}, after=4)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    checkpoints.move_unusable_aside(tmp_path)
    assert load(rolled, tmp_path)[0].step == 4


def test_only_errors_of_orbax_are_not_printed(monkeypatch, caplog):
    class Raises:
        def __init__(self, text):
            self.text = text

        def __del__(self):
            raise RuntimeError(self.text)

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: seen.append(str(raised.exc_value)))
    with orbax_errors.unprinted():
        for text in ("Event loop is closed", "own"):
            Raises(text)
        orbax_errors.LOGGER.error("own")
    assert seen == ["own"] and [record.message for record in caplog.records] == ["own"]


def test_an_error_in_the_block_is_raised_as_it_is(tmp_path):
    with pytest.raises(KeyError, match="own"), checkpoints.open_checkpoints(tmp_path):
        raise KeyError("own")


def test_a_checkpoint_of_another_layout_can_be_read(rolled, tmp_path):
    (_, members, _, _, measures), _ = rolled
    last = saved(rolled, tmp_path)
    layout = layout_of(members, member_tile=1, mesh=pathjax.member_mesh(4))
    with checkpoints.open_checkpoints(tmp_path) as checkpointer:
        found = checkpoints.load_latest(checkpointer, abstract_loop(members, measures, layout), layout)
    assert len(found.loop.members.alive) == layout.num_rows > len(last.members.alive)
    for a, b in zip(
        jax.tree.leaves(member_states(members, found.loop)), jax.tree.leaves(member_states(members, last)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_records_with_a_gap_raise_one_line(rolled, tmp_path):
    saved(rolled, tmp_path)
    next((tmp_path / "records").glob("*0-*2.npz")).unlink()
    with pytest.raises(pathjax.InputError, match="records up to step 4 are missing"):
        checkpoints.move_unusable_aside(tmp_path)


def test_a_checkpoint_of_another_experiment_raises_one_line(rolled, tmp_path):
    saved(rolled, tmp_path)
    (_, members, _, _, measures), _ = rolled
    layout = layout_of(members)
    like = abstract_loop(members, measures[:1], layout)
    with (
        checkpoints.open_checkpoints(tmp_path) as checkpointer,
        pytest.raises(pathjax.InputError, match="the checkpoint of step 4 .* cannot be read"),
    ):
        checkpoints.load_latest(checkpointer, like, layout)
