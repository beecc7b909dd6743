import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from toy_maps import ensemble, network, schedule

import pathjax
from pathjax import checkpoints, results
from pathjax.labelled import to_dataset
from pathjax.planning import abstract_loop, layout_of
from pathjax.rollout import join_records, member_states

obs = pathjax.observables


@pytest.fixture(scope="module")
def rolled():
    key = jax.random.key(0)
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    measures = [obs.weight_distance(1), obs.weight_autocorrelation((0, 2), every=2), obs.lyapunov(dynamics, key, 2, 2)]
    arguments = (dynamics, members, examples, schedule(4), measures)
    return arguments, pathjax.rollout(*arguments)


def test_arrays_are_labelled_with_units_and_survive_the_disk(rolled, tmp_path):
    (_, members, _, _, measures), result = rolled
    trajectory = to_dataset(result.records, result.steps, measures, members)
    assert trajectory.distance.dims == ("step", "member")
    assert trajectory.leaf_distance.dims == ("step", "member", "leaf")
    assert trajectory.autocorrelation.dims == ("step_2", "member", "anchor")
    assert trajectory.log_growth.dims == ("step_2", "tangent")
    assert list(trajectory.leaf.values) == ["b0", "b1", "w0", "w1"]
    assert all({"units", "long_name"} <= set(v.attrs) for v in trajectory.data_vars.values())
    for name in ("one.nc", "two.nc"):
        results.write_trajectory(tmp_path / name, trajectory)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "one.nc", engine="h5netcdf"), trajectory)


def fill(folder, status="finished"):
    folder.mkdir(exist_ok=True)
    results.write_json(folder / "config.json", {"a": {"b": 1}})
    results.write_json(folder / "manifest.json", {"format": results.RUN_FORMAT, "status": status, "sessions": []})
    results.write_json(folder / "summary.json", {})


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("status", "options", "config", "message"),
    [
        ("finished", {}, {"a": {"b": 1}}, "finished run; give --overwrite"),
        ("running", {}, {"a": {"b": 1}}, "unfinished run: give --resume"),
        ("running", {"resume": True}, {"a": {"b": 2}}, r"another config \(a.b\)"),
        ("running", {"resume": True}, {"a": {"b": 1}, "c": 1}, r"another config \(c\)"),
        ("running", {"resume": True, "overwrite": True}, {}, "not both"),
    ],
)
def test_a_folder_is_not_written_unasked(tmp_path, status, options, config, message):
    fill(tmp_path, status)
    before = contents(tmp_path)
    with pytest.raises(pathjax.InputError, match=message):
        results.check_folder(tmp_path, config, **{"resume": False, "overwrite": False, **options})
    assert contents(tmp_path) == before


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_somebody_elses_folder_is_never_touched(tmp_path, options):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(pathjax.InputError, match="files that are no run's"):
        results.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_another_programs_manifest_does_not_make_a_folder_ours(tmp_path, options):
    (tmp_path / "manifest.json").write_text('{"name": "webapp", "status": "finished"}')
    with pytest.raises(pathjax.InputError, match="files that are no run's"):
        results.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})


@pytest.mark.parametrize("names", [("config.json", "figures"), (".mine.partial.txt",)])
def test_files_that_only_look_like_a_runs_are_kept(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(pathjax.InputError, match="files that are no run's"):
        results.check_folder(tmp_path, {}, resume=False, overwrite=True)


@pytest.mark.parametrize("left", [(), ("config.json",), ("config.json", "checkpoints")])
def test_a_run_killed_while_it_wrote_its_first_files_can_be_resumed(tmp_path, left):
    (tmp_path / ".manifest.partial.json").write_text("{")
    for name in left:
        (tmp_path / name).mkdir() if name == "checkpoints" else results.write_json(tmp_path / name, {})
    state = results.check_folder(tmp_path, {}, resume=True, overwrite=False)
    assert state == ("unfinished" if left else "empty")


def test_overwriting_removes_the_run_and_nothing_else(tmp_path):
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert results.check_folder(tmp_path, {}, resume=False, overwrite=True) == "replace"
    results.clear_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
@pytest.mark.parametrize("options", [{}, {"resume": True}])
def test_a_broken_manifest_is_one_line_and_stays(tmp_path, text, options):
    fill(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(pathjax.InputError, match="manifest.json"):
        results.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})
    assert contents(tmp_path) == before


def test_opening_what_is_no_finished_run_says_what_it_is(tmp_path):
    with pytest.raises(pathjax.InputError, match="is no folder"):
        results.open_run(tmp_path / "absent")
    with pytest.raises(pathjax.InputError, match="holds no finished run"):
        results.open_run(tmp_path)
    fill(tmp_path)
    (tmp_path / "trajectory.nc").write_bytes(b"half")  # its digest is not the manifest's
    with pytest.raises(pathjax.InputError, match="trajectory.nc cannot be read"):
        results.open_run(tmp_path)


def test_json_is_valid_whatever_the_numbers(tmp_path):
    value = {"a": float("nan"), "b": [np.float32(1.5), np.inf], "c": np.int64(3)}
    results.write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [1.5, None], "c": 3}


def test_two_processes_do_not_write_one_folder(tmp_path):
    with results.locked(tmp_path), pytest.raises(pathjax.InputError, match="another process"), results.locked(tmp_path):
        pass
    with results.locked(tmp_path):
        assert (tmp_path / results.LOCK).exists()


def saved(rolled, folder):
    """Checkpoints of steps 2 and 4; returns the last loop state."""
    (dynamics, members, examples, plan, measures), _ = rolled
    with checkpoints.open_checkpoints(folder) as checkpointer:
        records = []
        for chunk in pathjax.rollout_chunks(dynamics, members, examples, plan, measures, chunk_length=2):
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


def test_a_checkpoint_comes_back_to_the_same_bits_and_types(rolled, tmp_path):
    assert load(rolled, tmp_path / "nothing") == (None, None)
    last = saved(rolled, tmp_path)
    assert checkpoints.set_broken_aside(tmp_path) == []
    found, records = load(rolled, tmp_path)
    assert found.step == 4 and jax.tree.structure(found.loop) == jax.tree.structure(last)
    for a, b in zip(jax.tree.leaves(found.loop), jax.tree.leaves(last), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    for name, record in records.items():
        np.testing.assert_allclose(record, rolled[1].records[name], rtol=1e-5, atol=1e-6)


def flip(path):
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {"flipped": flip, "truncated": truncate, "missing": pathlib.Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_file_is_damaged_the_checkpoint_before_is_used_and_nothing_is_lost(rolled, tmp_path, damage):
    saved(rolled, tmp_path / "whole")
    newest = tmp_path / "whole" / "states" / "4"
    files = [p.relative_to(tmp_path / "whole") for p in newest.rglob("*") if p.is_file() and p.stat().st_size]
    files.append(pathlib.Path("records") / "000000000002-000000000004.npz")
    for i, name in enumerate(files):
        folder = tmp_path / str(i)
        shutil.copytree(tmp_path / "whole", folder)
        DAMAGE[damage](folder / name)
        (line,) = checkpoints.set_broken_aside(folder)
        assert line.startswith("the checkpoint of step 4 cannot be used: "), line
        assert (folder / "unusable" / "4-0").is_dir()
        if i in (0, len(files) - 1):
            assert load(rolled, folder)[0].step == 2


def test_where_no_checkpoint_is_whole_nothing_is_moved(rolled, tmp_path):
    saved(rolled, tmp_path)
    truncate(tmp_path / "records" / "000000000000-000000000002.npz")
    with pytest.raises(pathjax.InputError, match="None is left to resume from: restore their files"):
        checkpoints.set_broken_aside(tmp_path)
    assert {path.name for path in (tmp_path / "states").iterdir()} == {"2", "4"}


def test_a_checkpoint_that_was_not_finished_does_not_count(rolled, tmp_path):
    saved(rolled, tmp_path)
    (tmp_path / "digests" / "4.json").unlink()
    assert len(checkpoints.set_broken_aside(tmp_path)) == 1
    assert load(rolled, tmp_path)[0].step == 2
    (tmp_path / "digests" / "2.json").unlink()
    assert len(checkpoints.set_broken_aside(tmp_path)) == 1
    assert load(rolled, tmp_path) == (None, None)


@pytest.mark.parametrize("lost", ["digests", "states", "records"])
def test_where_a_whole_folder_is_lost_all_are_named_and_nothing_is_moved(rolled, tmp_path, lost):
    saved(rolled, tmp_path)
    shutil.rmtree(tmp_path / lost)
    left = sorted(tmp_path.rglob("*"))
    with pytest.raises(pathjax.InputError, match="step 4 cannot be used.*step 2 cannot be used.*None is left"):
        checkpoints.set_broken_aside(tmp_path)
    assert sorted(tmp_path.rglob("*")) == left


def test_digests_that_outlived_their_checkpoint_are_no_loss(rolled, tmp_path):
    saved(rolled, tmp_path)
    (tmp_path / "digests" / "0.json").write_text("{}")  # as a kill between saving 4 and forgetting 0 would leave them
    assert checkpoints.set_broken_aside(tmp_path) == []
    (tmp_path / "digests" / "4.json").unlink()
    assert len(checkpoints.set_broken_aside(tmp_path)) == 1
    assert checkpoints.set_broken_aside(tmp_path) == []


def test_a_checkpoint_whose_folder_is_gone_is_named(rolled, tmp_path):
    saved(rolled, tmp_path)
    shutil.rmtree(tmp_path / "states" / "4")
    (line,) = checkpoints.set_broken_aside(tmp_path)
    assert "step 4 cannot be used" in line and "missing" in line
    assert checkpoints.set_broken_aside(tmp_path) == [] and load(rolled, tmp_path)[0].step == 2


def test_a_checkpoint_that_cannot_be_written_leaves_those_before(rolled, tmp_path, monkeypatch):
    saved(rolled, tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(pathjax.InputError, match="No space left on device.*free space.*--resume"):
        saved(rolled, tmp_path)
    assert checkpoints.set_broken_aside(tmp_path) == [] and load(rolled, tmp_path)[0].step == 4


def test_a_checkpoint_of_another_layout_is_read(rolled, tmp_path):
    (_, members, _, _, measures), _ = rolled
    last = saved(rolled, tmp_path)
    layout = layout_of(members, member_tile=1, mesh=pathjax.member_mesh(4))
    with checkpoints.open_checkpoints(tmp_path) as checkpointer:
        found = checkpoints.load_latest(checkpointer, abstract_loop(members, measures, layout), layout)
    assert len(found.loop.members.alive) == layout.num_padded > len(last.members.alive)
    for a, b in zip(
        jax.tree.leaves(member_states(members, found.loop)), jax.tree.leaves(member_states(members, last)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_records_with_a_gap_are_one_line(rolled, tmp_path):
    saved(rolled, tmp_path)
    next((tmp_path / "records").glob("*0-*2.npz")).unlink()
    with pytest.raises(pathjax.InputError, match="records up to step 4 are missing"):
        checkpoints.set_broken_aside(tmp_path)


def test_a_checkpoint_of_another_experiment_is_one_line(rolled, tmp_path):
    saved(rolled, tmp_path)
    (_, members, _, _, measures), _ = rolled
    layout = layout_of(members)
    like = abstract_loop(members, measures[:1], layout)
    with (
        checkpoints.open_checkpoints(tmp_path) as checkpointer,
        pytest.raises(pathjax.InputError, match="the checkpoint of step 4 .* cannot be read"),
    ):
        checkpoints.load_latest(checkpointer, like, layout)
