"""One rollout into one run folder: locked, checkpointed, resumable. What all experiments share."""

import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import xarray as xr
from ml_collections import ConfigDict

from experiments import provenance
from experiments.progress import progress_bar
from experiments.setup_run import Parts, Setup, set_up
from pathjax import checkpoints, results
from pathjax.labelled import to_dataset
from pathjax.observing import record_steps
from pathjax.rollout import abstract_loop, join_records, rollout_chunks


class Experiment(NamedTuple):
    """What is recorded, said and drawn of one rollout.

    `observables(config, parts)` says what to record. `summarise(setup, config, trajectory)` returns the trajectory
    that is kept, its numbers, and their text for the terminal. `write_report(folder, run)` writes figures and page.
    """

    observables: Callable[[ConfigDict, Parts], list]
    summarise: Callable[[Setup, ConfigDict, xr.Dataset], tuple[xr.Dataset, dict, str]]
    write_report: Callable[[pathlib.Path, results.Run], None]


def run(
    experiment: Experiment, config: ConfigDict, workdir: str, *, resume: bool = False, overwrite: bool = False
) -> dict:
    """Run an experiment into a folder and return its summary.

    Raises:
        InputError: for a setting that does not fit, or a folder that may not be written.
    """
    jax.config.update("jax_default_matmul_precision", "highest")
    folder = pathlib.Path(workdir)
    plain_config = config.to_dict()
    if results.check_folder(folder, plain_config, resume=resume, overwrite=overwrite) == "finished":
        return _already_finished(folder)
    setup = set_up(
        config, experiment.observables
    )  # all that can be wrong with the config is told here, before anything is written
    with results.locked(folder):
        state = results.check_folder(folder, plain_config, resume=resume, overwrite=overwrite)
        if state == "finished":  # by another process, meanwhile
            return _already_finished(folder)
        if state == "replace":
            results.clear_run(folder)
        if state != "unfinished":
            results.write_json(folder / "config.json", plain_config)
        with checkpoints.open_checkpoints(folder / "checkpoints") as checkpointer:
            found = checkpoints.load_latest(checkpointer, abstract_loop(setup.ensemble, setup.observables))
            manifest = provenance.start(folder, state, seed=config.seed)
            results.write_json(folder / "manifest.json", manifest)
            started = time.perf_counter()
            with provenance.compile_clock() as compile_clock:
                records = _roll_out(setup, config, checkpointer, found)
        num_done = config.num_steps - (found.step if found else 0)
        manifest = provenance.finish(manifest, time.perf_counter() - started, compile_clock, num_done)
        steps = record_steps(setup.observables, config.num_steps)
        trajectory = to_dataset(records, steps, setup.observables, setup.ensemble)
        trajectory, summary, text = experiment.summarise(setup, config, trajectory)
        results.write_trajectory(folder / "trajectory.nc", trajectory)
        results.write_json(folder / "summary.json", summary)
        manifest = manifest | {"trajectory_sha256": results.file_digest(folder / "trajectory.nc")}
        experiment.write_report(folder, results.Run(plain_config, manifest, summary, trajectory))
        # Last: from now on the run counts as finished.
        results.write_json(folder / "manifest.json", manifest)
        checkpoints.remove_records(folder / "checkpoints")
        print(f"\n{text}\n\nreport: {folder / 'report.html'}")
        return summary


def _already_finished(folder: pathlib.Path) -> dict:
    summary = results.read_json(folder / "summary.json")
    print(f"{folder} is finished already: nothing to resume")
    return summary


def _roll_out(setup: Setup, config: ConfigDict, checkpointer, found: checkpoints.Checkpoint | None) -> dict:
    """All records: those of the checkpoint that was found, and those of the steps after it."""
    last_saved = found.step if found else 0
    if found:
        print(f"resuming from step {found.step}", flush=True)
    records = [found.records] if found else []
    chunks = rollout_chunks(
        setup.dynamics,
        setup.ensemble,
        setup.examples,
        setup.schedule,
        setup.observables,
        chunk_length=setup.chunk_length,
        resume=(found.step, found.loop) if found else None,
    )
    new = []
    with progress_bar(config.num_steps, last_saved, len(setup.ensemble.members.role)) as show:
        for chunk in chunks:
            new.append(chunk.records)
            show(chunk.step)
            if chunk.step - last_saved >= config.checkpoint_every or chunk.step == config.num_steps:
                part = join_records(new)
                checkpoints.save(checkpointer, chunk.step, chunk.loop, part, after=last_saved)
                records.append(part)
                new, last_saved = [], chunk.step
    return join_records(records)
