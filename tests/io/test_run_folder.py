import json
import pathlib
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr

import pathjax
from helpers.full_disks import files_of_at_most
from helpers.toy_maps import small_rollout
from pathjax.io import run_folder
from pathjax.io.to_xarray import to_dataset


@pytest.fixture(scope="module")
def rolled():
    return small_rollout()


def test_arrays_are_labeled_with_units_and_survive_the_disk(rolled, tmp_path):
    (_, members, _, _, measures), result = rolled
    trajectory = to_dataset(result)
    assert trajectory.distance.dims == ("step", "member")
    assert trajectory.leaf_distance.dims == ("step", "member", "leaf")
    assert trajectory.autocorrelation.dims == ("step_2", "member", "anchor")
    assert trajectory.log_growth.dims == ("step_2", "tangent")
    assert list(trajectory.leaf.values) == ["b0", "b1", "w0", "w1"]
    assert all({"units", "long_name"} <= set(v.attrs) for v in trajectory.data_vars.values())
    for name in ("one.nc", "two.nc"):
        run_folder.write_trajectory(tmp_path / name, trajectory)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "one.nc", engine="h5netcdf"), trajectory)


def test_a_trajectory_without_room_raises_one_error_that_names_it_and_leaves_the_old_file(rolled, tmp_path, capfd):
    path, trajectory = tmp_path / "trajectory.nc", to_dataset(rolled[1])
    run_folder.write_trajectory(path, trajectory)
    before = path.read_bytes()
    with pytest.raises(OSError, match="File too large.*trajectory.nc"), files_of_at_most(len(before) // 2):
        run_folder.write_trajectory(path, trajectory)
    assert contents(tmp_path) == {path: before}
    assert capfd.readouterr().err == ""


def fill(folder, status="finished"):
    folder.mkdir(exist_ok=True)
    run_folder.write_json(folder / "config.json", {"a": {"b": 1}})
    run_folder.write_json(folder / "manifest.json", {"format": run_folder.RUN_FORMAT, "status": status, "sessions": []})
    run_folder.write_json(folder / "summary.json", {})


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("status", "options", "config", "message"),
    [
        ("finished", {}, {"a": {"b": 1}}, "finished run; give --overwrite"),
        ("running", {}, {"a": {"b": 1}}, "unfinished run; give --resume"),
        ("running", {"resume": True}, {"a": {"b": 2}}, r"another config \(a.b\)"),
        ("running", {"resume": True}, {"a": {"b": 1}, "c": 1}, r"another config \(c\)"),
        ("running", {"resume": True, "overwrite": True}, {}, "not both"),
    ],
)
def test_a_run_is_not_overwritten_unasked(tmp_path, status, options, config, message):
    fill(tmp_path, status)
    before = contents(tmp_path)
    with pytest.raises(pathjax.InputError, match=message):
        run_folder.check_folder(tmp_path, config, **{"resume": False, "overwrite": False, **options})
    assert contents(tmp_path) == before


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_foreign_folder_is_never_changed(tmp_path, options):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(pathjax.InputError, match="files that do not belong to a run"):
        run_folder.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_with_another_programs_manifest_is_foreign(tmp_path, options):
    (tmp_path / "manifest.json").write_text('{"name": "webapp", "status": "finished"}')
    with pytest.raises(pathjax.InputError, match="files that do not belong to a run"):
        run_folder.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})


@pytest.mark.parametrize("names", [("config.json", "figures"), (".mine.partial.txt",)])
def test_files_that_resemble_a_runs_are_kept(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(pathjax.InputError, match="files that do not belong to a run"):
        run_folder.check_folder(tmp_path, {}, resume=False, overwrite=True)


@pytest.mark.parametrize("left", [(), ("config.json",), ("config.json", "checkpoints")])
def test_a_run_killed_while_writing_its_first_files_can_be_resumed(tmp_path, left):
    (tmp_path / ".manifest.partial.json").write_text("{")
    for name in left:
        (tmp_path / name).mkdir() if name == "checkpoints" else run_folder.write_json(tmp_path / name, {})
    state = run_folder.check_folder(tmp_path, {}, resume=True, overwrite=False)
    assert state == ("unfinished" if left else "empty")


def test_overwriting_removes_the_run_and_nothing_else(tmp_path):
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert run_folder.check_folder(tmp_path, {}, resume=False, overwrite=True) == "replace"
    run_folder.clear_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"], ids=["empty", "cut", "list", "binary"])
@pytest.mark.parametrize("options", [{}, {"resume": True}])
def test_a_broken_manifest_raises_one_line_and_stays(tmp_path, text, options):
    fill(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(pathjax.InputError, match="manifest.json"):
        run_folder.check_folder(tmp_path, {}, **{"resume": False, "overwrite": False, **options})
    assert contents(tmp_path) == before


def test_opening_anything_but_a_finished_run_raises(tmp_path):
    with pytest.raises(pathjax.InputError, match="is not a directory"):
        run_folder.open_run(tmp_path / "absent")
    with pytest.raises(pathjax.InputError, match="holds no run"):
        run_folder.open_run(tmp_path)
    fill(tmp_path, status="running")
    with pytest.raises(pathjax.InputError, match="is not finished; finish it with --resume"):
        run_folder.open_run(tmp_path)
    fill(tmp_path)
    (tmp_path / "trajectory.nc").write_bytes(b"half")  # its digest differs from the manifest's
    with pytest.raises(pathjax.InputError, match="trajectory.nc cannot be read"):
        run_folder.open_run(tmp_path)


def hostile(folder, make):
    """A finished run whose trajectory is the HDF5 file that `make(file)` fills."""
    fill(folder)
    with h5py.File(folder / "trajectory.nc", "w") as file:
        make(file)
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = run_folder.file_digest(folder / "trajectory.nc")
    run_folder.write_json(folder / "manifest.json", manifest | {"trajectory_sha256": digest})


def large(file):
    file.create_dataset("distance", (10**7, 10**6), "f8", chunks=(1000, 1000))


def empty_but_large(file):
    """Fits into the memory of many machines, and takes a few kilobytes."""
    file.create_dataset("distance", (10**9,), "f8", chunks=(10**6,))


def linked(file):
    file["distance"] = h5py.ExternalLink("secret.h5", "values")


def linked_below(file):
    file.create_group("group")["distance"] = h5py.ExternalLink("secret.h5", "values")


def stored_elsewhere(file):
    file.create_dataset("distance", (4,), "f8", external=[("secret.h5", 0, 32)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("secret.h5", "values", (4,))
    file.create_virtual_dataset("distance", layout)


@pytest.mark.parametrize(
    ("make", "message"),
    [(large, "declares arrays of 74,505.81 GiB"), (empty_but_large, "declares arrays of 7.45 GiB")]
    + [(one, "in another file, which is not read") for one in (linked, linked_below, stored_elsewhere, virtual)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_trajectories_that_fill_the_memory_or_read_other_files_are_refused(tmp_path, make, message):
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["values"] = np.arange(4.0)
    hostile(tmp_path / "run", make)
    with pytest.raises(pathjax.InputError, match=message) as caught:
        run_folder.open_run(tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_json_that_is_nested_without_end_is_refused_in_one_line(tmp_path):
    fill(tmp_path)
    (tmp_path / "config.json").write_text("[" * 200_000)
    with pytest.raises(pathjax.InputError, match="config.json cannot be read") as caught:
        run_folder.open_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_json_is_valid_for_nonfinite_numbers(tmp_path):
    value = {"a": float("nan"), "b": [np.float32(1.5), np.inf], "c": np.int64(3)}
    run_folder.write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [1.5, None], "c": 3}


def test_two_processes_cannot_write_to_one_folder(tmp_path):
    with (
        run_folder.locked(tmp_path),
        pytest.raises(pathjax.InputError, match="another process"),
        run_folder.locked(tmp_path),
    ):
        pass
    with run_folder.locked(tmp_path):
        assert (tmp_path / run_folder.LOCK).exists()


FORMAT_1 = pathlib.Path(__file__).parent / "run_format_1"


def test_a_run_of_format_1_is_opened_with_current_names():
    run = run_folder.open_run(FORMAT_1)
    assert run.manifest["format"] == "pathjax run 1" and "disturbance_moved" not in run.trajectory
    perturbed = run.trajectory.role.values == "perturbed"
    sizes = run.trajectory.intervention_size.values
    assert (sizes[-1, perturbed] > 0).all() and (sizes[:, ~perturbed] == 0).all()
    assert all(cell["intervention_size"]["median"] > 0 for cell in run.summary["cells"])


def test_an_unfinished_run_of_format_1_cannot_be_resumed_and_stays(tmp_path):
    shutil.copytree(FORMAT_1, tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    before, config = contents(tmp_path / "run"), run_folder.read_json(FORMAT_1 / "config.json")
    with pytest.raises(pathjax.InputError, match=r"unfinished run in an earlier format \('pathjax run 1'") as caught:
        run_folder.check_folder(tmp_path / "run", config, resume=True, overwrite=False)
    assert "\n" not in str(caught.value) and contents(tmp_path / "run") == before
    assert run_folder.check_folder(tmp_path / "run", config, resume=False, overwrite=True) == "replace"
