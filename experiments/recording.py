"""One rollout into one run folder: locked, checkpointed, resumable. What all experiments share."""

import contextlib
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import xarray as xr
from ml_collections import ConfigDict

from experiments import hosts, numerics, preemption, provenance
from experiments.progress import progress_bar
from experiments.setup_run import Parts, Setup, chunks_of, set_up
from pathjax import checkpoints, results
from pathjax.labelled import to_dataset
from pathjax.observing import record_steps
from pathjax.planning import abstract_loop
from pathjax.rollout import join_records

FOLDER_STATES = ("empty", "unfinished", "finished", "replace")


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
    with numerics.precision(config.get("precision")), preemption.noticed() as notice:
        return _run(experiment, config, workdir, notice, resume=resume, overwrite=overwrite)


def _run(experiment: Experiment, config: ConfigDict, workdir: str, notice, *, resume: bool, overwrite: bool) -> dict:
    folder, plain_config = pathlib.Path(workdir), config.to_dict()

    def folder_state() -> str:
        return results.check_folder(folder, plain_config, resume=resume, overwrite=overwrite)

    if hosts.agree(folder_state, FOLDER_STATES) == "finished":
        return _already_finished(folder)
    # All that can be wrong with the config is told here, before anything is written.
    setup = set_up(config, experiment.observables)
    with contextlib.ExitStack() as held:
        hosts.lead(lambda: held.enter_context(results.locked(folder)))
        state = hosts.agree(folder_state, FOLDER_STATES)
        if state == "finished":  # by another run, meanwhile
            return _already_finished(folder)
        hosts.lead(lambda: _make_room(folder, state, plain_config))
        with checkpoints.open_checkpoints(folder / "checkpoints") as checkpointer:
            manifest = _roll_out(folder, state, setup, config, checkpointer, notice)
            if not hosts.is_lead():
                return {}
            records = checkpoints.load_records(checkpointer, config.num_steps)
        steps = record_steps(setup.observables, config.num_steps)
        trajectory = to_dataset(records, steps, setup.observables, setup.ensemble, setup.settings)
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


def _make_room(folder: pathlib.Path, state: str, plain_config: dict) -> None:
    """The folder of a new run, or of one to go on with."""
    if state == "replace":
        results.clear_run(folder)
    if state != "unfinished":
        results.write_json(folder / "config.json", plain_config)
    for line in checkpoints.set_broken_aside(folder / "checkpoints"):
        print(line, flush=True)


def _already_finished(folder: pathlib.Path) -> dict:
    summary = results.read_json(folder / "summary.json")
    print(f"{folder} is finished already: nothing to resume")
    return summary


def _roll_out(folder: pathlib.Path, state: str, setup: Setup, config: ConfigDict, checkpointer, notice) -> dict:
    """All steps after those of the last checkpoint; returns the manifest, with times."""
    like = abstract_loop(setup.ensemble, setup.observables, setup.layout)
    with hosts.together():
        found = checkpoints.load_latest(checkpointer, like, setup.layout)
    first = found.step if found else 0
    if state == "unfinished" and hosts.is_lead():
        print(f"resuming from step {first}" if first else "no checkpoint is there: from step 0 again", flush=True)
    manifest = provenance.start(folder, state, seed=config.seed) | {"data": setup.origin}
    hosts.lead(lambda: results.write_json(folder / "manifest.json", manifest))
    started = time.perf_counter()
    with provenance.compile_clock() as compile_clock:
        _run_chunks(setup, config, checkpointer, found, notice)
    return provenance.finish(manifest, time.perf_counter() - started, compile_clock, config.num_steps - first)


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
                with hosts.together():
                    checkpoints.save(checkpointer, chunk.step, chunk.loop, join_records(new), after=last_saved)
                new, last_saved = [], chunk.step
            if leaving and chunk.step < config.num_steps:
                raise preemption.Preempted(chunk.step)
