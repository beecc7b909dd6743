"""Checkpoints of a rollout: the loop's state by Orbax, and the records since the previous checkpoint as NumPy files.

A checkpoint is valid once the digests of its files are written, last of all: files that are incomplete, truncated or
changed later are detected before they are used, and the previous checkpoint is used instead. Records are written only
once, in parts, not again with every checkpoint; a part belongs to a checkpoint by its step.
"""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import LoopState
from pathjax.engine.rollout import for_layout, join_records
from pathjax.engine.sharding import replicated
from pathjax.io import orbax_errors
from pathjax.io.run_folder import one_line, read_json, replace_file, write_json

KEEP = 2


@shown_in_short
class Checkpoint(NamedTuple):
    """A checkpoint: the number of steps done, and the loop's state."""

    step: int
    loop: LoopState


def move_unusable_aside(folder: pathlib.Path) -> list[str]:
    """Moves incomplete checkpoints to `unusable/`, and returns a line for each.

    Call it before `open_checkpoints`, in one process.

    Raises:
        InputError: if no finished checkpoint is complete; then nothing is moved.
    """
    available = _steps(folder / "states")
    # The newest must be available; a kill may have left digests of older ones.
    steps = sorted(available | _steps(folder / "digests"), reverse=True)
    for step in [step for step in steps[KEEP:] if step not in available]:
        _digest_path(folder, step).unlink(missing_ok=True)
        steps.remove(step)
    faults = {step: fault for step in steps if (fault := _fault(folder, step))}
    lines = [f"the checkpoint of step {step} cannot be used: {fault}" for step, fault in faults.items()]
    # A kill leaves only the newest without digests; any other without digests has lost them.
    finished = steps[1:] + [step for step in steps[:1] if _digest_path(folder, step).exists()]
    require(
        not finished or any(step not in faults for step in steps),
        f"{'; '.join(lines)}. None is left to resume from; restore their files, or give --overwrite to start over",
    )
    for step in faults:
        for path in (folder / "states" / str(step), _digest_path(folder, step)):
            if path.exists():
                aside = folder / "unusable"
                aside.mkdir(exist_ok=True)
                os.replace(path, aside / f"{path.name}-{len(list(aside.iterdir()))}")
    return lines


def _steps(folder: pathlib.Path) -> set[int]:
    return {int(path.stem) for path in folder.glob("[0-9]*") if path.stem.isdigit()}


@contextlib.contextmanager
def open_checkpoints(folder: pathlib.Path) -> Iterator[ocp.training.Checkpointer]:
    """Yields an Orbax checkpointer that keeps the last two checkpoints.

    An error in the `with` block is the only one: Orbax neither logs a failed write nor raises it again at the end.

    Raises:
        InputError: if `folder` is a file.
    """
    require(folder.is_dir() or not folder.exists(), f"{folder} is not a directory; give --overwrite to start over")
    context = ocp.Context()
    # Otherwise each device saves its slice of replicated arrays, which compiles a program for every shape.
    context.array.saving.use_replica_parallel = False
    # Otherwise its threads wait five minutes for a folder that cannot be made, and the process for them.
    context.async_options.create_directories_asynchronously = False
    last = ocp.training.preservation_policies.LatestN(KEEP)
    with orbax_errors.unprinted():
        checkpointer = ocp.training.Checkpointer(
            folder.absolute() / "states", preservation_policy=last, context=context
        )
        try:
            yield checkpointer
        except BaseException:
            _close_after_error(checkpointer)
            raise
        checkpointer.close()


def _close_after_error(checkpointer) -> None:
    """Closes a checkpointer; one whose write failed raises that once more before it can be closed."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            checkpointer.close()


def save(
    checkpointer: ocp.training.Checkpointer, step: int, loop: LoopState, records: dict[str, np.ndarray], after: int
) -> None:
    """Saves a checkpoint; returns once it is on disk, so that the loop's buffers may be reused.

    Args:
        checkpointer: see `open_checkpoints`.
        step: steps done.
        loop: the loop's state.
        records: records since the previous checkpoint; written first, so that a checkpoint never lacks its records.
        after: the step of the previous checkpoint, 0 if there is none.

    Raises:
        InputError: if it cannot be written (a full disk, say); previous checkpoints are not affected.
    """
    root = pathlib.Path(checkpointer.directory).parent
    try:
        if jax.process_index() == 0:
            path = root / "records" / f"{after:012d}-{step:012d}.npz"
            replace_file(path, lambda temporary: np.savez(temporary, **records))  # type: ignore[arg-type]
        checkpointer.save(step, loop, overwrite=True, custom_metadata=_layout_metadata(loop))
        if jax.process_index() == 0:
            write_json(_digest_path(root, step), _digests(root / "states" / str(step)))
            _forget_old_digests(checkpointer, root)
    except Exception as error:  # whatever the system, Orbax or tensorstore raise
        raise InputError(
            f"the checkpoint of step {step} cannot be written to {root} ({_reason(error)}); free disk space or repair "
            "the folder, then resume from the previous checkpoint with --resume"
        ) from error


def _reason(error: Exception) -> str:
    """Returns an error's text; of those of tensorstore, which begin with long paths, what the system said."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else one_line(error)


def load_latest(checkpointer: ocp.training.Checkpointer, like: LoopState, layout: Layout) -> Checkpoint | None:
    """Returns the newest checkpoint, or None if there is none.

    Args:
        checkpointer: see `open_checkpoints`.
        like: structure, shapes, types and devices of the loop's state; see `pathjax.engine.planning.abstract_loop`.
        layout: the rollout's layout; the checkpoint may come from another number of devices.

    Raises:
        InputError: if it cannot be read.
    """
    if checkpointer.latest is None:
        return None
    step = checkpointer.latest.step
    try:
        with _types_of_this_thread():
            return Checkpoint(step, _load(checkpointer, step, like, layout))
    except Exception as error:  # whatever Orbax, zarr or tensorstore raise
        raise InputError(
            f"the checkpoint of step {step} in {checkpointer.directory} cannot be read ({one_line(error)}); "
            "resume with the versions that wrote it, or give --overwrite to start over"
        ) from error


def load_records(checkpointer: ocp.training.Checkpointer, step: int) -> dict[str, np.ndarray]:
    """Returns all records up to a step.

    Raises:
        InputError: if some are missing or cannot be read.
    """
    folder = pathlib.Path(checkpointer.directory).parent / "records"
    try:
        return join_records([_read_part(part) for part in _chain(folder, step)])
    except Exception as error:
        raise InputError(
            f"records up to step {step} in {folder} cannot be read ({one_line(error)}); restore them, or give "
            "--overwrite to start over"
        ) from error


def remove_records(folder: pathlib.Path) -> None:
    """Removes the parts of the records of a run whose trajectory is written; its last states are kept."""
    shutil.rmtree(folder / "records", ignore_errors=True)


@contextlib.contextmanager
def _types_of_this_thread():
    """Orbax reads in its own threads, which do not see this thread's `jax.enable_x64` and would round float64."""
    enabled = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    with concurrent.futures.ThreadPoolExecutor(1) as another:
        default = another.submit(lambda: jax.config.jax_enable_x64).result()  # type: ignore[attr-defined]
    jax.config.update("jax_enable_x64", enabled)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", default)


def _load(checkpointer, step: int, like: LoopState, layout: Layout) -> LoopState:
    layout_written = checkpointer.metadata(step).custom_metadata
    if layout_written == _layout_metadata(like):
        return checkpointer.load(step, like)

    def shape(leaf, length: int, sharding):
        return jax.ShapeDtypeStruct((length, *leaf.shape[1:]), leaf.dtype, sharding=sharding)

    # Written for other devices or tiles: every device reads all members, then keeps its own.
    num_rows, num_shares = layout_written["rows"], layout_written["shares"]
    members = jax.tree.map(lambda a: shape(a, num_rows, replicated(a.sharding)), like.members)
    baselines = shape(like.baselines, num_shares, like.baselines.sharding)
    return for_layout(layout, checkpointer.load(step, like._replace(members=members, baselines=baselines)))


def _layout_metadata(loop: LoopState) -> dict[str, int]:
    """Returns the number of rows of the members' arrays, and of copies of the baseline among them."""
    return {"rows": len(loop.members.alive), "shares": len(loop.baselines)}


def _chain(folder: pathlib.Path, step: int) -> list[pathlib.Path]:
    """Returns the parts of the records from step 0 to a step, each beginning where the previous one ended.

    If a run was interrupted between two checkpoints, several chains may exist; they hold the same records.
    """
    paths = folder.glob("[0-9]*-[0-9]*.npz")
    parts = sorted((int(path.stem.split("-")[0]), int(path.stem.split("-")[1]), path) for path in paths)
    into: dict[int, tuple] = {}
    for after, end, path in parts:
        if after == 0 or after in into:
            into[end] = (after, path)
    if step not in into:
        raise ValueError(f"records up to step {step} are missing")
    chain = []
    while step:
        step, path = into[step]
        chain.append(path)
    return chain[::-1]


def _fault(folder: pathlib.Path, step: int) -> str | None:
    """Describes the damage to the files of a checkpoint or its records; None if they are intact."""
    path = _digest_path(folder, step)
    if not path.exists():
        return "it was not finished, or its digests are missing"
    try:
        found, wanted = _digests(folder / "states" / str(step)), read_json(path)
        if not wanted:
            return "its digests are empty"
        for name, digest in wanted.items():
            if found.get(name) != digest:
                return f"{name} is {'not what was written' if name in found else 'missing'}"
        for part in _chain(folder / "records", step):
            _read_part(part)
    except Exception as error:  # whatever the system, zipfile or NumPy raise
        return one_line(error)
    return None


def _read_part(part: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a part of the records, which verifies the checksums of the zip file."""
    with np.load(part, allow_pickle=False) as records:
        return {name: records[name] for name in records}


def _digest_path(root: pathlib.Path, step: int) -> pathlib.Path:
    return root / "digests" / f"{step}.json"


def _digests(folder: pathlib.Path) -> dict[str, str]:
    """Returns the SHA-256 of all files of a checkpoint."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _forget_old_digests(checkpointer, root: pathlib.Path) -> None:
    kept = {str(checkpoint.step) for checkpoint in checkpointer.checkpoints}
    for path in (root / "digests").glob("*.json"):
        if path.stem not in kept:
            path.unlink()
