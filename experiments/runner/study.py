"""Studies of many cells: any number of processes measure each cell once, and the cells are reported together.

A study's folder holds cells/DIGEST.json for each cell that is done, failed/DIGEST.json for each that failed, and what
the report writes. The digest is of whatever decides the outcome: the settings of the cell, the data, the source of the
user's own functions (`Identified.identity`), and the version of the estimator. A process locks a cell while it measures
it; the lock is freed when the process ends, however it ends, and another process then takes the cell. Cells that are
committed under results/reference/STUDY/cells count as done.
"""

import contextlib
import fcntl
import hashlib
import json
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pathjax.core.errors import InputError, require
from pathjax.experiments.own import one_line
from pathjax.experiments.runner.manifest import environment
from pathjax.experiments.runner.settings import Group
from pathjax.io.run_folder import file_digest, json_text, read_json, write_json

REFERENCE = pathlib.Path(__file__).parents[2] / "results" / "reference"
MAX_BYTES = 20 * 1024  # of an outcome, so that it can be committed
MAX_SECONDS = 40 * 60  # of a cell, so that little is lost if its process is killed
SOME_FAILED = 3  # exit status
POLL_SECONDS = 0.5


class Identified(Group):
    """Settings of a cell that name data or the user's own functions, whose content decides the outcome."""

    def identity(self) -> dict:
        """Returns what decides the cell's outcome, in JSON types."""
        return self.model_dump(mode="json")


class Cell(NamedTuple):
    """A finished cell: its settings and its outcome."""

    settings: Any
    outcome: dict


class Study(NamedTuple):
    """The measurement of each cell, and the report on all cells.

    Attributes:
        name: the name of its folder in results/reference.
        version: the estimator's version; raise it when a change alters the outcome of the same settings.
        measure: `measure(settings) -> outcome`, of a cell's typed settings. The outcome holds JSON types, in at most
            20 KiB. `outcome["files"]` may name files that `measure` wrote into cells/, with their SHA-256: a cell whose
            files are missing or damaged is measured again. They are not committed.
        report: `report(cells, folder) -> text`: writes figures and tables of the cells that are done, in order.
    """

    name: str
    version: int
    measure: Callable[[Any], dict]
    report: Callable[[Sequence[Cell], pathlib.Path], str]


def cell_digest(name: str, version: int, settings: Group) -> str:
    """Returns the name of a cell: a digest of the study, the version and the settings' identity.

    >>> class Width(Group):
    ...     width: int
    >>> cell_digest("toy", 1, Width(width=8)) == cell_digest("toy", 2, Width(width=8))
    False
    """
    return _digest_of({"study": name, "version": version, "settings": _plain(settings)})


def _digest_of(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _plain(settings: Group) -> dict:
    plain = settings.identity() if isinstance(settings, Identified) else settings.model_dump(mode="json")
    return json.loads(json_text(plain))


def run_study(study: Study, cells: Sequence[Group], folder: pathlib.Path) -> list[Cell]:
    """Measures every unfinished cell, reports all finished ones, and exits with status 3 if some failed.

    Call it in any number of processes with the same folder: each takes cells that no other process has.

    Args:
        study: the study.
        cells: the settings of each cell, without repetition.
        folder: the study's folder, created if it does not exist.

    Returns:
        The finished cells.

    Raises:
        InputError: if `cells` is empty or repeats settings.
    """
    by_digest = {cell_digest(study.name, study.version, settings): settings for settings in cells}
    require(len(cells) > 0, "a study has no cells: give at least one value for each setting")
    require(len(by_digest) == len(cells), "a study repeats a cell: give each value once")
    begun = time.time()
    while pending := [d for d in by_digest if _done(study, folder, d) is None and _failed(folder, d, begun) is None]:
        taken = [_take(study, by_digest[digest], folder, digest, begun) for digest in pending]
        if not any(taken):
            time.sleep(POLL_SECONDS)  # other processes still measure
    done = {digest: _done(study, folder, digest) for digest in by_digest}
    found = [Cell(by_digest[digest], one["outcome"]) for digest, one in done.items() if one is not None]
    failed = {d: _failed(folder, d, begun) for d in by_digest if done[d] is None}
    if found:
        with _lock(folder / "report"):
            print(f"\n{study.report(found, folder)}", flush=True)
    for line in _slow(done):
        print(line)
    if failed:
        print(f"\n{len(failed)} of {len(by_digest)} cells failed:", file=sys.stderr)
        for digest, why in failed.items():
            print(f"  {digest} {by_digest[digest]}: {why}", file=sys.stderr)
        sys.exit(SOME_FAILED)
    return found


def _take(study: Study, settings: Group, folder: pathlib.Path, digest: str, begun: float) -> bool:
    """Measures a cell, unless another process has it; returns whether this process had the lock."""
    with _try_lock(folder / "cells" / f"{digest}.lock") as is_mine:
        if not is_mine:
            return False
        if _done(study, folder, digest) is None and _failed(folder, digest, begun) is None:
            _measure(study, settings, folder, digest)
        return True


def _measure(study: Study, settings: Group, folder: pathlib.Path, digest: str) -> None:
    print(f"{digest} {settings}", flush=True)
    failed = folder / "failed" / f"{digest}.json"
    start = time.perf_counter()
    try:
        outcome = _in_json_types(study.measure(settings))
        seconds = time.perf_counter() - start
        what = {"study": study.name, "version": study.version, "settings": _plain(settings), "outcome": outcome}
        what |= {"outcome_digest": _digest_of(outcome), "seconds": seconds}
        write_json(folder / "cells" / f"{digest}.json", what | environment())
        # Or it would be measured forever.
        require(
            _done(study, folder, digest) is not None,
            "the cell does not read back as written: a file in outcome['files'] is missing or has another SHA-256, or "
            "data or source changed",
        )
    except (Exception, SystemExit) as error:  # the other cells continue after any error
        why = one_line(error)
        write_json(failed, {"settings": _plain(settings), "error": why, "time": time.time()})
        print(f"{digest} failed ({why})", flush=True)
    else:
        failed.unlink(missing_ok=True)


def _in_json_types(measured: Any) -> dict:
    """Returns an outcome as it will be read back."""
    require(isinstance(measured, dict), f"the outcome is a {type(measured).__name__}: expected a dictionary")
    outcome = json.loads(json_text(measured))
    num_bytes = len(json.dumps(outcome))
    require(num_bytes <= MAX_BYTES, f"the outcome takes {num_bytes:,} bytes: choose at most {MAX_BYTES:,}")
    return outcome


def _done(study: Study, folder: pathlib.Path, digest: str) -> dict | None:
    """Returns a finished cell from the folder or the committed cells; None, to measure again, if it is damaged."""
    for place in (folder, REFERENCE / study.name):
        path = place / "cells" / f"{digest}.json"
        with contextlib.suppress(InputError):
            found = read_json(path) if path.exists() else {}
            is_cell = _digest_of({key: found.get(key) for key in ("study", "version", "settings")}) == digest
            is_intact = is_cell and _is_intact(found)
            if is_intact and (place != folder or _has_files(path.parent, found["outcome"])):
                return found
    return None


def _is_intact(found: dict) -> bool:
    """Whether a cell has what `_measure` wrote."""
    outcome, seconds = found.get("outcome"), found.get("seconds")
    if not (isinstance(outcome, dict) and isinstance(seconds, int | float)):
        return False
    return found.get("outcome_digest") == _digest_of(outcome)


def _has_files(folder: pathlib.Path, outcome: dict) -> bool:
    """Whether the files that an outcome names exist, with the contents that were written."""
    named = outcome.get("files", {})
    if not isinstance(named, dict):
        return False
    return all((folder / name).exists() and file_digest(folder / name) == digest for name, digest in named.items())


def _failed(folder: pathlib.Path, digest: str, begun: float) -> str | None:
    """Returns why a cell failed since this process started; earlier failures are tried again."""
    path = folder / "failed" / f"{digest}.json"
    with contextlib.suppress(InputError):
        found = read_json(path) if path.exists() else {"time": 0.0}
        if isinstance(found.get("time"), int | float) and found["time"] >= begun:
            return str(found.get("error"))
    return None


def _slow(done: dict[str, dict | None]) -> Iterator[str]:
    for digest, one in done.items():
        if one is not None and one["seconds"] > MAX_SECONDS:
            minutes = one["seconds"] / 60
            yield f"cell {digest} took {minutes:.0f} minutes: split it, so that little is lost if a process is killed"


@contextlib.contextmanager
def _try_lock(path: pathlib.Path) -> Iterator[bool]:
    """Yields whether this process holds the lock; the system frees it when the process ends, for any reason."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


@contextlib.contextmanager
def _lock(path: pathlib.Path) -> Iterator[None]:
    """Waits for the lock, and holds it in the `with` block."""
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def values_of(cells: Sequence[Cell], name: str) -> list[Any]:
    """Returns the distinct values of a setting, in the order of the cells.

    >>> class Width(Group):
    ...     width: int
    >>> values_of([Cell(Width(width=width), {}) for width in (8, 8, 4)], "width")
    [8, 4]
    """
    return list(dict.fromkeys(getattr(cell.settings, name) for cell in cells))
