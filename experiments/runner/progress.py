"""A progress bar, updated between chunks: steps, member-steps per second, time left."""

import contextlib
import time

from tqdm import tqdm

from pathjax.experiments.runner import multihost


@contextlib.contextmanager
def progress_bar(num_steps: int, first: int, num_members: int):
    """Yields `show(step)`; call it with the number of completed steps."""
    with tqdm(
        total=num_steps,
        initial=first,
        unit="step",
        desc="training",
        dynamic_ncols=True,
        disable=not multihost.is_process_zero(),
    ) as bar:
        last = (first, time.perf_counter())

        def show(step: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if step > last[0]:
                rate = (step - last[0]) * num_members / (now - last[1])
                bar.set_postfix_str(f"{rate:,.0f} member-steps/s")
                last = (step, now)
            bar.update(step - bar.n)

        yield show
