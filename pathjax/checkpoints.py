"""Checkpoints of a rollout: the loop's state by Orbax, and the records since the checkpoint before as NumPy files.

Records are written once, in parts, not again with every checkpoint; a part belongs to a checkpoint by its step.
"""

import pathlib
import shutil
from typing import NamedTuple

import numpy as np
from orbax.checkpoint import v1 as ocp

from pathjax.errors import InputError, require
from pathjax.results import one_line, replace_file
from pathjax.rollout import LoopState, join_records

KEEP = 2


class Checkpoint(NamedTuple):
    """Steps done, the loop's state, and all records up to there."""

    step: int
    loop: LoopState
    records: dict[str, np.ndarray]


def open_checkpoints(folder: pathlib.Path) -> ocp.training.Checkpointer:
    """An Orbax checkpointer that keeps the last two checkpoints; use it as a context manager."""
    require(folder.is_dir() or not folder.exists(), f"{folder} is no folder: give --overwrite to start afresh")
    return ocp.training.Checkpointer(
        folder.absolute() / "states", preservation_policy=ocp.training.preservation_policies.LatestN(KEEP)
    )


def save(checkpointer, step: int, loop: LoopState, records: dict[str, np.ndarray], after: int) -> None:
    """Save a checkpoint; returns when it is on disk (the loop's buffers may then be given away).

    Args:
        checkpointer: see `open_checkpoints`.
        step: steps done.
        loop: the loop's state.
        records: those since the checkpoint before; written first, so that a checkpoint never lacks its records.
        after: the step of the checkpoint before, 0 if there is none.
    """
    path = _records_folder(checkpointer) / f"{after:012d}-{step:012d}.npz"
    replace_file(path, lambda temporary: np.savez(temporary, **records))  # type: ignore[arg-type]
    checkpointer.save(step, loop, overwrite=True)


def load_latest(checkpointer, like: LoopState) -> Checkpoint | None:
    """The newest checkpoint, or None if there is none.

    Args:
        checkpointer: see `open_checkpoints`.
        like: its structure, shapes, types and devices; see `pathjax.rollout.abstract_loop`.

    Raises:
        InputError: if the checkpoint or its records cannot be read.
    """
    if checkpointer.latest is None:
        return None
    step = checkpointer.latest.step
    try:
        loop = checkpointer.load(step, like)
        return Checkpoint(step, loop, _load_records(checkpointer, step))
    except Exception as error:  # whatever Orbax, zarr or NumPy raise for a broken file
        raise InputError(
            f"the checkpoint of step {step} in {checkpointer.directory} cannot be read ({one_line(error)}): "
            "remove its folder to resume from the one before, or give --overwrite to start afresh"
        ) from error


def remove_records(folder: pathlib.Path) -> None:
    """Remove the records' parts of a run whose trajectory is written; its last states stay."""
    shutil.rmtree(folder / "records", ignore_errors=True)


def _load_records(checkpointer, step):
    """All parts up to a step, each beginning where the one before ended."""
    ends = {tuple(map(int, part.stem.split("-"))): part for part in _records_folder(checkpointer).glob("[0-9]*.npz")}
    loaded, done = [], 0
    for (after, end), part in sorted(ends.items()):
        if after == done and end <= step:
            loaded.append(dict(np.load(part, allow_pickle=False)))
            done = end
    if not loaded or done != step:
        raise ValueError(f"records after step {done} are missing")
    return join_records(loaded)


def _records_folder(checkpointer) -> pathlib.Path:
    return pathlib.Path(checkpointer.directory).parent / "records"
