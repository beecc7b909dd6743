"""Runs one rollout into one run folder: locked, checkpointed, resumable. All experiments share this code."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import xarray as xr

from pathjax.core.errors import InputError
from pathjax.engine.observe import record_steps, recorded
from pathjax.engine.planning import abstract_loop
from pathjax.engine.rollout import Rollout, join_records
from pathjax.experiments.runner import multihost, precision, preemption
from pathjax.experiments.runner.dry_run import describe
from pathjax.experiments.runner.identity import check_unchanged, source_digests
from pathjax.experiments.runner.manifest import compile_clock, finish_manifest, start_manifest
from pathjax.experiments.runner.progress import progress_bar
from pathjax.experiments.runner.settings import RunSettings, plain
from pathjax.experiments.runner.setup import Parts, Setup, chunks_of, set_up
from pathjax.io import checkpoints, run_folder
from pathjax.io.to_xarray import to_dataset
from pathjax.io.trackers import tensorboard
from pathjax.reporting.noise import has_own_noise, noise_words

FINISHED = "{} is finished already: nothing to resume"
FOLDER_STATES = ("empty", "unfinished", "finished", "replace")


class Experiment(NamedTuple):
    """What one rollout records, prints and draws.

    Attributes:
        settings: the type of its settings.
        observables: `observables(settings, parts)` returns the observables to record.
        summarize: `summarize(setup, settings, trajectory)` returns the trajectory to save, its summary, and the
            summary's text for the terminal.
        write_report: `write_report(folder, run)` writes the figures and the page.
    """

    settings: type[RunSettings]
    observables: Callable[[Any, Parts], list]
    summarize: Callable[[Setup, Any, xr.Dataset], tuple[xr.Dataset, dict, str]]
    write_report: Callable[[pathlib.Path, run_folder.Run], None]


class Program(NamedTuple):
    """An experiment with a separate program: the type of its settings."""

    settings: type[RunSettings]


def dry_run(
    experiment: Experiment, settings: RunSettings, workdir: str, *, resume: bool = False, overwrite: bool = False
) -> str:
    """Returns the members, memory, disk and time of a run, as lines; writes nothing.

    Raises:
        InputError: for the same reasons as `run_experiment`.
    """
    folder = pathlib.Path(workdir)
    state = run_folder.check_folder(folder, plain(settings), resume=resume, overwrite=overwrite)
    if state == "finished":
        return FINISHED.format(folder)
    with precision.running_in(settings.precision):
        setup = set_up(settings, experiment.observables)
        _check_made_of(folder, state, _made_of(setup, settings))
        return describe(setup, settings)


def run_experiment(
    experiment: Experiment,
    settings: RunSettings,
    workdir: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    tracker: str | None = None,
) -> dict:
    """Runs an experiment into a folder and returns its summary.

    Args:
        experiment, settings: what to run.
        workdir: the folder.
        resume: whether to go on from the folder's last checkpoint.
        overwrite: whether to replace the folder's run.
        tracker: "tensorboard" to write event files into the folder while it runs; None: no tracker.

    Raises:
        InputError: if a setting is invalid, or the folder must not be written.
    """
    with precision.running_in(settings.precision), preemption.noticed() as notice:
        options = {"resume": resume, "overwrite": overwrite}
        return _run(experiment, settings, pathlib.Path(workdir), notice, tracker, **options)


def _run(
    experiment: Experiment,
    settings: RunSettings,
    folder: pathlib.Path,
    notice,
    tracker,
    *,
    resume: bool,
    overwrite: bool,
) -> dict:
    plain_config = plain(settings)

    def folder_state() -> str:
        return run_folder.check_folder(folder, plain_config, resume=resume, overwrite=overwrite)

    if multihost.broadcast(folder_state, FOLDER_STATES) == "finished":
        return _already_finished(folder)
    # Validates all settings before writing anything.
    setup = set_up(settings, experiment.observables)
    with contextlib.ExitStack() as held:
        multihost.on_process_zero(lambda: held.enter_context(run_folder.locked(folder)))
        state = multihost.broadcast(folder_state, FOLDER_STATES)
        if state == "finished":  # by another run, meanwhile
            return _already_finished(folder)
        made_of = _made_of(setup, settings)
        with _first_files(folder):
            multihost.on_process_zero(lambda: _make_room(folder, state, plain_config, made_of))
        manifest = start_manifest(folder, state, seed=settings.seed) | made_of
        with checkpoints.open_checkpoints(folder / "checkpoints") as checkpointer:
            manifest = _roll_out(folder, state, setup, settings, manifest, checkpointer, notice, tracker)
            if not multihost.is_process_zero():
                return {}
            records = checkpoints.load_records(checkpointer, settings.num_steps)
        steps = record_steps(setup.observables, settings.num_steps)
        labels = recorded(setup.observables, setup.ensemble.state)
        trajectory = to_dataset(Rollout(setup.ensemble, records, steps, labels), setup.settings)
        trajectory, summary, text = experiment.summarize(setup, settings, trajectory)
        run_folder.write_trajectory(folder / "trajectory.nc", trajectory)
        run_folder.write_json(folder / "summary.json", summary)
        manifest = manifest | {"trajectory_sha256": run_folder.file_digest(folder / "trajectory.nc")}
        experiment.write_report(folder, run_folder.Run(plain_config, manifest, summary, trajectory))
        # Written last, because it marks the run as finished.
        run_folder.write_json(folder / "manifest.json", manifest)
        checkpoints.remove_records(folder / "checkpoints")
        text = f"{noise_words(trajectory)}\n\n{text}" if has_own_noise(plain_config) else text
        print(f"\n{text}\n\nreport: {folder / 'report.html'}")
        return summary


def _tracker_of(
    name: str | None, folder: pathlib.Path, setup: Setup, settings: RunSettings, resumed_at: int | None
) -> Callable:
    """Returns what each chunk is given to: a tracker, on the first process, or nothing."""
    if name is None or not multihost.is_process_zero():
        return lambda chunk: None
    return tensorboard(folder / "tensorboard", setup.ensemble.members, settings.num_steps, resumed_at=resumed_at)


def _made_of(setup: Setup, settings: RunSettings) -> dict:
    """Returns what the manifest says of the data and of the user's own functions."""
    return {"data": setup.origin, "sources": source_digests(settings)}


def _check_made_of(folder: pathlib.Path, state: str, made_of: dict) -> None:
    manifest = folder / "manifest.json"
    if state == "unfinished" and manifest.exists():
        check_unchanged(run_folder.read_json(manifest), made_of)


@contextlib.contextmanager
def _first_files(folder: pathlib.Path) -> Iterator[None]:
    """Raises InputError if the files that precede the first step cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the run cannot start: its first files cannot be written to {folder} ({run_folder.one_line(error)}); free "
            "disk space or repair the folder, then give --resume, which also starts a run"
        ) from error


def _make_room(folder: pathlib.Path, state: str, plain_config: dict, made_of: dict) -> None:
    """Prepares the folder for a new run, or for one to resume from the same data and source files."""
    _check_made_of(folder, state, made_of)
    if state == "replace":
        run_folder.clear_run(folder)
    if state != "unfinished":
        run_folder.write_json(folder / "config.json", plain_config)
    for line in checkpoints.move_unusable_aside(folder / "checkpoints"):
        print(line, flush=True)


def _already_finished(folder: pathlib.Path) -> dict:
    summary = run_folder.read_json(folder / "summary.json")
    print(FINISHED.format(folder))
    return summary


def _roll_out(
    folder: pathlib.Path,
    state: str,
    setup: Setup,
    settings: RunSettings,
    manifest: dict,
    checkpointer,
    notice,
    tracker: str | None,
) -> dict:
    """Runs all steps after the last checkpoint; returns the manifest, with times."""
    like = abstract_loop(setup.ensemble, setup.observables, setup.layout)
    with multihost.abort_all_on_error():
        found = checkpoints.load_latest(checkpointer, like, setup.layout)
    first = found.step if found else 0
    if state == "unfinished" and multihost.is_process_zero():
        print(f"resuming from step {first}" if first else "no checkpoint found: restarting from step 0", flush=True)
    with _first_files(folder):
        multihost.on_process_zero(lambda: run_folder.write_json(folder / "manifest.json", manifest))
    send = _tracker_of(tracker, folder, setup, settings, found.step if found else None)
    started = time.perf_counter()
    with compile_clock() as clock:
        _run_chunks(folder, setup, settings, checkpointer, found, notice, send)
    return finish_manifest(manifest, time.perf_counter() - started, clock, settings.num_steps - first)


def _run_chunks(
    folder: pathlib.Path,
    setup: Setup,
    settings: RunSettings,
    checkpointer,
    found: checkpoints.Checkpoint | None,
    notice,
    send: Callable,
) -> None:
    """Runs the chunks; records are written with the checkpoints, so that they do not accumulate in memory.

    Raises:
        Preempted: after a checkpoint, if the process received SIGTERM.
    """
    last_saved = found.step if found else 0
    new = []
    with progress_bar(folder, settings.num_steps, last_saved, setup.ensemble.state.step.size) as show:
        for chunk in chunks_of(setup, found):
            new.append(chunk.records)
            show(chunk.step)
            send(chunk)
            stopping = notice() and chunk.step > last_saved
            if chunk.step - last_saved >= settings.checkpoint_every or chunk.step == settings.num_steps or stopping:
                with multihost.abort_all_on_error():
                    checkpoints.save(checkpointer, chunk.step, chunk.loop, join_records(new), after=last_saved)
                new, last_saved = [], chunk.step
            if stopping and chunk.step < settings.num_steps:
                raise preemption.Preempted(chunk.step)
