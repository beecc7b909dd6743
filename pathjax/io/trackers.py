"""Curves for experiment trackers, sent between chunks: give a tracker as `pathjax.rollout(on_records=...)`."""

import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require, require_count
from pathjax.core.types import Members, Recorded
from pathjax.engine.rollout import Chunk

MAX_POINTS = 200  # of a curve

Log = Callable[[dict[str, float], int], object]


def tracker(log: Log, members: Members, num_steps: int, max_points: int = MAX_POINTS) -> Callable[[Chunk], None]:
    """Returns a function of chunks that logs curves: one number per record and group of members.

    Groups are the baseline and the members of each epsilon, of which the median is logged, as "distance/epsilon 0.1";
    in a sweep those of each setting, as "distance/setting 0/epsilon 0.1".
    Records with other dimensions than time and member are left out, and so are values that are not finite.

    Args:
        log: `log(values by name, step)`; see `tensorboard` and `wandb` for two of them.
        members: of the ensemble.
        num_steps: of the rollout.
        max_points: the largest number of points of a curve; of more records every second, third, ... is logged.

    Raises:
        InputError: if an option is out of range.

    >>> import jax, jax.numpy as jnp, pathjax
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> ensemble = pathjax.independent_ensemble(doubling, jnp.ones((2, 4)))
    >>> seen = tracker(lambda values, step: print(step, values), ensemble.members, num_steps=2)
    >>> parts = (doubling, ensemble, jnp.zeros(1), pathjax.full_batch_schedule(1, 2))
    >>> _ = pathjax.rollout(*parts, [pathjax.observables.weight_norm(every=2)], on_records=seen)
    0 {'weight_norm/baseline': 2.0}
    2 {'weight_norm/baseline': 8.0}
    """
    require(callable(log), f"log must be a function of values and a step, not of type {type(log).__name__}")
    is_members = isinstance(members, Members)
    require(is_members, f"members must be those of an ensemble, ensemble.members, not of type {type(members).__name__}")
    require_count("max_points", max_points, 1)
    require_count("num_steps", num_steps, 1)

    def on_records(chunk: Chunk) -> None:
        values: dict[int, dict[str, float]] = {}
        for one in chunk.recorded:
            for name, step, value in _points(one, chunk, members, num_steps, max_points):
                values.setdefault(step, {})[name] = value
        for step in sorted(values):
            log(values[step], step)

    return on_records


def wandb(run: Any, members: Members, num_steps: int, max_points: int = MAX_POINTS) -> Callable[[Chunk], None]:
    """Returns a tracker for the interface of Weights & Biases, which Trackio shares.

    Args:
        run: what `wandb.init(...)` or `trackio.init(...)` returns; `run.log(values, step=step)` is called. Finish it
            yourself.
        members, num_steps, max_points: see `tracker`.

    Raises:
        InputError: for a run without `log`, or an option out of range.

    >>> class Run:
    ...     def log(self, values, step):
    ...         print(step, values)
    >>> from pathjax.core.types import Variable
    >>> members = Members(np.array(["baseline"]), np.zeros(1), np.array([-1]))
    >>> variable = Recorded(Variable("loss", (), "", "loss"), every=1, scope="member")
    >>> send = wandb(Run(), members, num_steps=5)
    >>> send(Chunk(0, None, {"loss": np.array([[0.5]])}, {"loss": np.array([0])}, (variable,)))
    0 {'loss/baseline': 0.5}
    """
    has_log = callable(getattr(run, "log", None))
    expected = "run must be what wandb.init(...) returns, with run.log(values, step=...)"
    require(has_log, f"{expected}, not of type {type(run).__name__}")
    return tracker(lambda values, step: run.log(values, step=step), members, num_steps, max_points)


def tensorboard(
    folder: str | os.PathLike,
    members: Members,
    num_steps: int,
    max_points: int = MAX_POINTS,
    *,
    resumed_at: int | None = None,
) -> Callable[[Chunk], None]:
    """Returns a tracker that writes event files for TensorBoard into a folder.

    Args:
        folder: where event files go; it is made if it does not exist.
        members, num_steps, max_points: see `tracker`.
        resumed_at: the step from which a rollout resumes: later points that were sent before it was interrupted are
            replaced. None: it begins.

    Raises:
        InputError: if tensorboardX is not installed, or an option is out of range.
        OSError: from the function that is returned, if a file cannot be written.
    """
    try:
        from tensorboardX import RecordWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar
    except ImportError as error:
        raise InputError("TensorBoard needs tensorboardX: pip install tensorboardX") from error
    path = _new_event_file(folder)
    # Not SummaryWriter, whose thread writes later, and ends if the disk is full: the next curve would wait forever.
    writer = RecordWriter(os.fspath(path))

    def write(**contents: Any) -> None:
        writer.write(Event(wall_time=time.time(), **contents).SerializeToString())

    def log(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            write(step=step, summary=scalar(name, value))

    write(file_version="brain.Event:2")
    if resumed_at is not None:
        write(step=resumed_at + 1, session_log=SessionLog(status=SessionLog.START))
    send = tracker(log, members, num_steps, max_points)

    def on_records(chunk: Chunk) -> None:
        try:
            send(chunk)
            writer.flush()
        except OSError as error:
            error.filename = error.filename or str(path)  # a full disk does not say which file
            raise

    return on_records


def _new_event_file(folder: str | os.PathLike) -> pathlib.Path:
    """Returns the path of a file that does not exist yet, by whose name TensorBoard finds it; makes the folder."""
    place = pathlib.Path(folder)
    require(place.is_dir() or not place.exists(), f"{place} is a file: give the folder of the event files")
    place.mkdir(parents=True, exist_ok=True)
    return place / f"events.out.tfevents.{time.time_ns() / 1e9:.6f}.{socket.gethostname()}.{os.getpid()}"


def _points(
    one: Recorded, chunk: Chunk, members: Members, num_steps: int, max_points: int
) -> Iterator[tuple[str, int, float]]:
    """Yields name, step and value of each point of a record's curves."""
    name = one.variable.name
    if one.variable.dims or one.scope == "ensemble":
        return
    stride = one.every * -(-(num_steps // one.every + 1) // max_points)
    for step, row in zip(chunk.steps[name], chunk.records[name], strict=True):
        if step % stride == 0:
            for group, value in _groups(np.asarray(row), one, members):
                if np.isfinite(value):
                    yield f"{name}/{group}", int(step), value


def _groups(row: np.ndarray, one: Recorded, members: Members) -> Iterator[tuple[str, float]]:
    """Yields name and value of each group of a record: of the baseline's number, of members' (m,), or of settings'."""
    is_of_members = one.scope == "member"
    if row.ndim > is_of_members:  # a sweep
        for i, own in enumerate(row):
            yield from ((f"setting {i}/{name}", value) for name, value in _groups(own, one, members))
        return
    yield "baseline", float(row[0] if is_of_members else row)
    for epsilon in np.unique(members.epsilon[members.epsilon > 0]) if is_of_members else ():
        yield f"epsilon {epsilon:g}", float(np.median(row[members.epsilon == epsilon]))
