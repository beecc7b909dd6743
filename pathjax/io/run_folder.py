"""The run folder: labeled arrays and plain JSON that can be opened years later without executing code.

config.json, manifest.json, progress.json, trajectory.nc, summary.json, figures/, report.html, checkpoints/. Every file
is written under a temporary name and then renamed, so that a kill leaves the old file or the new one, never an
incomplete one.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.io.hostile_files import check_hdf5
from pathjax.io.old_formats import RENAMED, renamed_summary, renamed_trajectory

CONTENTS = (
    *("config.json", "manifest.json", "progress.json", "trajectory.nc", "summary.json", "report.html", "figures"),
    "checkpoints",
)
LOCK = ".lock"
RUN_FORMAT = "pathjax run 2"
# Settings that may change when a run resumes: they alter results only by rounding, if tiles become narrower.
MAY_DIFFER = {"num_devices", "memory_gib", "checks", "checkpoint_every"}
OPTIONAL = ("tensorboard",)  # of a tracker
FolderState = Literal["empty", "unfinished", "finished", "foreign", "replace"]


@shown_in_short
class Run(NamedTuple):
    """The contents of a finished run's folder."""

    config: dict
    manifest: dict
    summary: dict
    trajectory: xr.Dataset


def open_run(folder: str | os.PathLike) -> Run:
    """Opens the folder of a finished run, of this format or an earlier one; names are the current ones.

    Raises:
        InputError: if it is not a run folder, the run is not finished, or a file cannot be read.
    """
    folder = pathlib.Path(folder)
    require(folder.is_dir(), f"{folder} is not a directory; give the --workdir of a finished run")
    state = folder_state(folder)
    require(state in ("finished", "unfinished"), f"{folder} holds no run; give the --workdir of a finished run")
    require(state == "finished", f"the run in {folder} is not finished; finish it with --resume")
    config, manifest, summary = (read_json(folder / f"{name}.json") for name in ("config", "manifest", "summary"))
    # Checked first, because HDF5 can hang on a damaged file.
    require(
        manifest.get("trajectory_sha256") == file_digest(folder / "trajectory.nc"),
        f"{folder / 'trajectory.nc'} cannot be read (it is missing, or not what the run wrote); run it again",
    )
    try:
        check_hdf5(folder / "trajectory.nc")
        trajectory = xr.load_dataset(folder / "trajectory.nc", engine="h5netcdf")
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # RuntimeError: what h5py raises for damaged links
        raise InputError(f"{folder / 'trajectory.nc'} cannot be read ({one_line(error)}); run it again") from error
    written = manifest["format"]
    return Run(config, manifest, renamed_summary(written, summary), renamed_trajectory(written, trajectory))


def folder_state(folder: pathlib.Path) -> FolderState:
    """Returns what a folder holds: nothing (or it is absent), a run that can resume, a finished run, or something else.

    Raises:
        InputError: if a manifest exists but cannot be read.
    """
    if os.path.exists(folder) and not folder.is_dir():
        return "foreign"
    try:
        names = {entry.name for entry in folder.iterdir() if not _is_partial(entry)} if folder.is_dir() else set()
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({one_line(error)}); choose another --workdir") from error
    names -= {LOCK}
    if not names:
        return "empty"
    if "manifest.json" not in names:
        # A run killed before its manifest was written leaves just these.
        known = "config.json" in names and names <= {"config.json", "progress.json", "checkpoints", *OPTIONAL}
        return "unfinished" if known else "foreign"
    manifest = read_json(folder / "manifest.json")
    if manifest.get("format") not in (RUN_FORMAT, *RENAMED) or not isinstance(manifest.get("sessions"), list):
        return "foreign"
    return "finished" if manifest.get("status") == "finished" else "unfinished"


def _is_partial(path: pathlib.Path) -> bool:
    """Whether a run was killed before `replace_file` renamed this file."""
    return path.name in {_partial(path.parent / name).name for name in CONTENTS}


def _partial(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def check_folder(folder: pathlib.Path, config: dict, *, resume: bool, overwrite: bool) -> FolderState:
    """Checks whether a run with this config may be written here; changes nothing.

    Returns "empty" for a new run, "replace" for one that `clear_run` must remove first, "unfinished" for one to resume,
    and "finished" for a finished run with --resume.

    Raises:
        InputError: if it would overwrite something unasked, or mix up runs.
    """
    require(not (resume and overwrite), "give either --resume or --overwrite, not both")
    state = folder_state(folder)
    if state != "finished" or overwrite:
        _check_writable(folder)
    require(state != "foreign", f"{folder} holds files that do not belong to a run; choose an empty or new --workdir")
    if state == "empty":
        return state
    if overwrite:
        return "replace"
    require(resume, f"{folder} holds {_describe(state)}; give --overwrite to replace it, or another --workdir")
    _check_format(folder, state)
    _check_same_config(folder, config)
    return state


def _check_writable(folder: pathlib.Path) -> None:
    """Raises InputError before anything runs if the folder, or its nearest existing parent, cannot be written."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    require(nearest.is_dir(), f"{folder} cannot be created ({nearest} is not a directory); choose another --workdir")
    allowed = os.access(nearest, os.W_OK | os.X_OK)
    require(allowed, f"{folder} cannot be written (no permission in {nearest}); choose another --workdir")


def clear_run(folder: pathlib.Path) -> None:
    """Removes a run from its folder, and nothing else; the manifest last, which until then identifies the folder."""
    partial = [entry.name for entry in folder.iterdir() if _is_partial(entry)]
    for name in sorted([*CONTENTS, *OPTIONAL, *partial], key=lambda name: name == "manifest.json"):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Locks the folder for this process; the lock of a killed process is released.

    Raises:
        InputError: if another process is writing there, or the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({one_line(error)}); choose another --workdir") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{folder} is being written by another process; wait for it, or stop it") from error
        yield


def _describe(state):
    return "a finished run" if state == "finished" else "an unfinished run; give --resume to resume it"


def _check_format(folder: pathlib.Path, state: FolderState) -> None:
    """Raises InputError for an unfinished run in an earlier format."""
    if state == "unfinished" and (folder / "manifest.json").exists():
        written = read_json(folder / "manifest.json")["format"]
        require(
            written == RUN_FORMAT,
            f"{folder} holds an unfinished run in an earlier format ('{written}'; now '{RUN_FORMAT}'), which cannot be "
            "resumed; choose another --workdir, or give --overwrite to start over",
        )


def _check_same_config(folder, config):
    path = folder / "config.json"
    require(path.exists(), f"{folder} has no config.json, so it cannot be resumed; give --overwrite to start over")
    old = read_json(path)
    new = json.loads(json.dumps(config))
    keys = (_flatten(old).keys() | _flatten(new).keys()) - MAY_DIFFER
    changed = sorted(key for key in keys if _differs(old, new, key))
    require(
        not changed,
        f"{folder} was run with another config ({', '.join(changed)}); resume with the same config, or choose another "
        "--workdir",
    )


def _differs(old, new, key):
    """Whether a setting differs; None equals absent, so that a run may be older than a setting."""
    return _flatten(old).get(key) != _flatten(new).get(key)


def _flatten(tree: dict, prefix: str = "") -> dict:
    flat: dict = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def read_json(path: pathlib.Path) -> dict:
    """Reads a JSON object from a file.

    Raises:
        InputError: if it is absent or not a JSON object.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({one_line(error)}); restore it, or use another folder") from error
    require(isinstance(value, dict), f"{path} is not a JSON object; restore it, or use another folder")
    return value


def write_json(path: pathlib.Path, value: dict) -> None:
    """Writes a JSON object atomically; numbers that are not finite become null."""
    text = json_text(value) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text))


def json_text(value: Any) -> str:
    """Formats a value as JSON; numbers that are not finite become null.

    >>> json_text([1.5, float("nan")]).split()
    ['[', '1.5,', 'null', ']']
    """
    return json.dumps(_without_nan(value), indent=2, allow_nan=False)


def write_trajectory(path: pathlib.Path, trajectory: xr.Dataset) -> None:
    """Writes labeled arrays as netCDF-4 atomically; equal data give equal bytes.

    They are made in memory: on a full disk HDF5 cannot close its file, and prints errors until the process ends.
    """
    made = io.BytesIO()
    trajectory.to_netcdf(made, engine="h5netcdf")
    replace_file(path, lambda temporary: temporary.write_bytes(made.getbuffer()))


def file_digest(path: pathlib.Path) -> str | None:
    """Returns the SHA-256 of a file, or None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def replace_file(path: pathlib.Path, write: Callable[[pathlib.Path], Any]) -> None:
    """Calls `write(temporary path)`, then renames the file to `path`.

    Raises:
        OSError: if it cannot be written, with the name of the file; then the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _partial(path)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # before the final name marks the file as complete
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        error.filename = error.filename or str(path)  # a full disk does not say which file
        raise


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def one_line(error: object) -> str:
    """Returns the beginning of an error's text, on one line.

    >>> one_line(ValueError("two\\nlines"))
    'two lines'
    """
    return " ".join(str(error).split())[:160]
