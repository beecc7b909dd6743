"""One rollout into one run folder: locked, checkpointed, resumable. What all experiments share."""

import contextlib
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import xarray as xr
from ml_collections import ConfigDict

from pathjax.engine.observe import record_steps
from pathjax.engine.planning import abstract_loop
from pathjax.engine.rollout import join_records
from pathjax.experiments.runner import multihost, precision, preemption
from pathjax.experiments.runner.manifest import compile_clock, finish_manifest, start_manifest
from pathjax.experiments.runner.progress import progress_bar
from pathjax.experiments.runner.setup import Parts, Setup, chunks_of, set_up
from pathjax.io import checkpoints, run_folder
from pathjax.io.to_xarray import to_dataset

FOLDER_STATES = ("empty", "unfinished", "finished", "replace")


class Experiment(NamedTuple):
    """What is recorded, said and drawn of one rollout.

    `observables(config, parts)` says what to record. `summarize(setup, config, trajectory)` returns the trajectory
    that is kept, its numbers, and their text for the terminal. `write_report(folder, run)` writes figures and page.
    """

    observables: Callable[[ConfigDict, Parts], list]
    summarize: Callable[[Setup, ConfigDict, xr.Dataset], tuple[xr.Dataset, dict, str]]
    write_report: Callable[[pathlib.Path, run_folder.Run], None]


def run_experiment(
    experiment: Experiment, config: ConfigDict, workdir: str, *, resume: bool = False, overwrite: bool = False
) -> dict:
    """Run an experiment into a folder and return its summary.

    Raises:
        InputError: for a setting that does not fit, or a folder that may not be written.
    """
    with precision.running_in(config.get("precision")), preemption.noticed() as notice:
        return _run(experiment, config, workdir, notice, resume=resume, overwrite=overwrite)


def _run(experiment: Experiment, config: ConfigDict, workdir: str, notice, *, resume: bool, overwrite: bool) -> dict:
    folder, plain_config = pathlib.Path(workdir), config.to_dict()

    def folder_state() -> str:
        return run_folder.check_folder(folder, plain_config, resume=resume, overwrite=overwrite)

    if multihost.broadcast(folder_state, FOLDER_STATES) == "finished":
        return _already_finished(folder)
    # All that can be wrong with the config is told here, before anything is written.
    setup = set_up(config, experiment.observables)
    with contextlib.ExitStack() as held:
        multihost.on_process_zero(lambda: held.enter_context(run_folder.locked(folder)))
        state = multihost.broadcast(folder_state, FOLDER_STATES)
        if state == "finished":  # by another run, meanwhile
            return _already_finished(folder)
        multihost.on_process_zero(lambda: _make_room(folder, state, plain_config))
        with checkpoints.open_checkpoints(folder / "checkpoints") as checkpointer:
            manifest = _roll_out(folder, state, setup, config, checkpointer, notice)
            if not multihost.is_process_zero():
                return {}
            records = checkpoints.load_records(checkpointer, config.num_steps)
        steps = record_steps(setup.observables, config.num_steps)
        trajectory = to_dataset(records, steps, setup.observables, setup.ensemble, setup.settings)
        trajectory, summary, text = experiment.summarize(setup, config, trajectory)
        run_folder.write_trajectory(folder / "trajectory.nc", trajectory)
        run_folder.write_json(folder / "summary.json", summary)
        manifest = manifest | {"trajectory_sha256": run_folder.file_digest(folder / "trajectory.nc")}
        experiment.write_report(folder, run_folder.Run(plain_config, manifest, summary, trajectory))
        # Last: from now on the run counts as finished.
        run_folder.write_json(folder / "manifest.json", manifest)
        checkpoints.remove_records(folder / "checkpoints")
        print(f"\n{text}\n\nreport: {folder / 'report.html'}")
        return summary


def _make_room(folder: pathlib.Path, state: str, plain_config: dict) -> None:
    """The folder of a new run, or of one to go on with."""
    if state == "replace":
        run_folder.clear_run(folder)
    if state != "unfinished":
        run_folder.write_json(folder / "config.json", plain_config)
    for line in checkpoints.set_broken_aside(folder / "checkpoints"):
        print(line, flush=True)


def _already_finished(folder: pathlib.Path) -> dict:
    summary = run_folder.read_json(folder / "summary.json")
    print(f"{folder} is finished already: nothing to resume")
    return summary


def _roll_out(folder: pathlib.Path, state: str, setup: Setup, config: ConfigDict, checkpointer, notice) -> dict:
    """All steps after those of the last checkpoint; returns the manifest, with times."""
    like = abstract_loop(setup.ensemble, setup.observables, setup.layout)
    with multihost.abort_all_on_error():
        found = checkpoints.load_latest(checkpointer, like, setup.layout)
    first = found.step if found else 0
    if state == "unfinished" and multihost.is_process_zero():
        print(f"resuming from step {first}" if first else "no checkpoint is there: from step 0 again", flush=True)
    manifest = start_manifest(folder, state, seed=config.seed) | {"data": setup.origin}
    multihost.on_process_zero(lambda: run_folder.write_json(folder / "manifest.json", manifest))
    started = time.perf_counter()
    with compile_clock() as clock:
        _run_chunks(setup, config, checkpointer, found, notice)
    return finish_manifest(manifest, time.perf_counter() - started, clock, config.num_steps - first)


def _run_chunks(setup: Setup, config: ConfigDict, checkpointer, found: checkpoints.Checkpoint | None, notice) -> None:
    """The chunks; records go to disk with the checkpoints, and not into memory.

    Raises:
        Preempted: after a checkpoint, if the system asked for an end.
    """
    last_saved = found.step if found else 0
    new = []
    with progress_bar(config.num_steps, last_saved, setup.ensemble.state.step.size) as show:
        for chunk in chunks_of(setup, found):
            new.append(chunk.records)
            show(chunk.step)
            leaving = notice() and chunk.step > last_saved
            if chunk.step - last_saved >= config.checkpoint_every or chunk.step == config.num_steps or leaving:
                with multihost.abort_all_on_error():
                    checkpoints.save(checkpointer, chunk.step, chunk.loop, join_records(new), after=last_saved)
                new, last_saved = [], chunk.step
            if leaving and chunk.step < config.num_steps:
                raise preemption.Preempted(chunk.step)
