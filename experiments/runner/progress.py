"""Progress, updated between chunks: a bar in the terminal, and a file that another terminal or a scheduler can read."""

import contextlib
import datetime
import pathlib
import time
from typing import NamedTuple

from tqdm import tqdm

from pathjax.experiments.runner import multihost
from pathjax.io.run_folder import write_json

NAME = "progress.json"


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        step: steps done.
        num_steps: steps in all.
        member_steps_per_second: of the last chunk; None before the first one.
        seconds_left: at this speed; None before the first chunk.
        updated: the time in UTC.
    """

    step: int
    num_steps: int
    member_steps_per_second: float | None
    seconds_left: float | None
    updated: str


@contextlib.contextmanager
def progress_bar(folder: pathlib.Path, num_steps: int, first: int, num_members: int):
    """Yields `show(step)`; call it with the number of completed steps. It updates the bar and `folder`/progress.json.

    Args:
        folder: the run's folder.
        num_steps: steps in all.
        first: steps that were done before.
        num_members: number of members.
    """
    is_first = multihost.is_process_zero()
    with tqdm(
        total=num_steps, initial=first, unit="step", desc="training", dynamic_ncols=True, disable=not is_first
    ) as bar:
        last = (first, time.perf_counter())
        speed = left = None

        def show(step: int) -> None:
            nonlocal last, speed, left
            now = time.perf_counter()
            if step > last[0]:
                speed = (step - last[0]) * num_members / (now - last[1])
                left = (num_steps - step) * num_members / speed
                bar.set_postfix_str(f"{speed:,.0f} member-steps/s")
                last = (step, now)
            bar.update(step - bar.n)
            if is_first:
                updated = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
                write_json(folder / NAME, Progress(step, num_steps, speed, left, updated)._asdict())

        yield show
