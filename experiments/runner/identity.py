"""What decides a run's numbers: its settings, its data, and the source code of the user's own functions."""

import contextlib
import functools
import hashlib
import inspect
import pathlib
import sys

from pathjax.core.errors import InputError, require
from pathjax.experiments.own import is_own, load_own
from pathjax.experiments.runner.own_task import own_names
from pathjax.experiments.runner.settings import RunSettings
from pathjax.experiments.runner.settings.task import DataSettings
from pathjax.experiments.runner.task import dataset_of
from pathjax.io.run_folder import MAY_DIFFER


def identity(settings: RunSettings) -> dict:
    """Returns the settings that decide a run's numbers, in JSON types, with digests of what they only name.

    `data.data_dir` is replaced by the SHA-256 of the data set's arrays, so that the same data in another folder are the
    same. `sources` holds the digests of `source_digests`. The run's `name` and the settings of `run_folder.MAY_DIFFER`
    are left out.

    >>> from pathjax.configs import digits
    >>> from pathjax.experiments.runner.settings import parse_settings, with_changes
    >>> settings = parse_settings(digits.get_config())
    >>> [identity(with_changes(settings, change)) == identity(settings) for change in ({"num_devices": 2}, {"seed": 2})]
    [True, False]
    """
    tree = settings.model_dump(mode="json", exclude=MAY_DIFFER | {"name"})
    data = {name: value for name, value in tree["data"].items() if name != "data_dir"}
    own = {"data": data | {"sha256": _data_digest(settings.data)}, "sources": source_digests(settings)}
    return tree | own


def source_digests(settings: RunSettings) -> dict[str, str | None]:
    """Returns the SHA-256 of the source file of every `module:function` that the settings name, by that name.

    It is None for a module without source code. Modules that these import in turn are not included.

    Raises:
        InputError: if a module cannot be imported.
    """
    names = own_names(settings)
    if is_own(settings.experiment):
        names |= {"experiment": settings.experiment}
    return {name: _source_digest(setting, name) for setting, name in names.items()}


def _source_digest(setting: str, name: str) -> str | None:
    load_own(setting, name)
    try:
        path = inspect.getsourcefile(sys.modules[name.partition(":")[0]])
    except TypeError:  # a module that is built into Python
        return None
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() if path else None


@functools.lru_cache(maxsize=64)
def _data_digest(data: DataSettings) -> str | None:
    """Returns the SHA-256 of a data set, or None if it cannot be loaded; the run that needs it raises the error."""
    with contextlib.suppress(InputError):
        return data.sha256 or dataset_of(data).origin["sha256"]
    return None


def check_unchanged(before: dict, now: dict) -> None:
    """Checks that the data and the user's own functions are those with which a run began.

    Args:
        before: the run's manifest.
        now: the `data` and `sources` that this session would write into it.

    Raises:
        InputError: if the data or a source file differ.
    """
    fix = "restore the old one, or give --overwrite or another --workdir"
    same = before.get("data", {}).get("sha256") in (None, now["data"]["sha256"])
    require(same, f"the data set has changed since the run began (its SHA-256 is another): {fix}")
    for name, digest in before.get("sources", {}).items():
        same = now["sources"].get(name) == digest
        require(same, f"the source file of {name} has changed since the run began: {fix}")
