"""The experiments by name: the module of each, and the config with all its settings.

A new experiment needs a folder in experiments/, a file in configs/, and a line here. Your own experiment, in another
project, needs no line: a config names it as `module:EXPERIMENT`.
"""

import importlib
from typing import Any, NamedTuple

from pathjax.core.errors import require
from pathjax.experiments.own import load_own


class Entry(NamedTuple):
    """`module` defines the experiment as `attribute`; `config` is the name of its config in configs/, if it has one;
    `program` is the program that runs it."""

    module: str
    config: str | None
    program: str = "experiments.main"
    attribute: str = "EXPERIMENT"

    @property
    def file(self) -> str:
        """The file that has all its settings."""
        return f"configs/{self.config}.py" if self.config else f"{self.module}:{self.attribute}"


def _here(name: str, config: str, program: str = "experiments.main") -> Entry:
    return Entry(f"pathjax.experiments.{name}.experiment", config, program)


EXPERIMENTS = {
    "arms": _here("arms", "nudge"),
    "butterfly": _here("butterfly", "butterfly"),
    "dominoes": _here("dominoes", "dominoes"),
    "divergence": _here("divergence", "digits"),
    "distances": _here("distances", "digits_full"),
    "induction": _here("induction", "induction"),
    "laws": _here("laws", "laws"),
    "lyapunov": _here("lyapunov", "lyapunov"),
    "growth": _here("growth", "hoogland2023"),
    "sensitivity": _here("sensitivity", "sensitivity"),
    "sweep": _here("sweep", "sweep", program="experiments.sweep"),
}


def entry(name: object) -> Entry:
    """Returns the entry of the experiment that a config names.

    Raises:
        InputError: if no experiment has this name.

    >>> entry("growth").file
    'configs/hoogland2023.py'
    >>> entry("mine.toy:EXPERIMENT").module
    'mine.toy'
    """
    if isinstance(name, str) and ":" in name:
        module, _, attribute = name.partition(":")
        return Entry(module, None, attribute=attribute)
    others = "or your own, as module:EXPERIMENT"
    require(name in EXPERIMENTS, f"unknown experiment '{name}': choose one of {', '.join(EXPERIMENTS)}, {others}")
    return EXPERIMENTS[str(name)]


def load_experiment(name: object) -> Any:
    """Imports the experiment of a name: its settings, observables, summary and report.

    Raises:
        InputError: if no experiment has this name, or your own experiment cannot be imported.
    """
    found = entry(name)
    if found.config:
        return getattr(importlib.import_module(found.module), found.attribute)
    own = load_own("experiment", str(name))
    fits = all(hasattr(own, part) for part in ("settings", "observables", "summarize", "write_report"))
    require(fits, f"experiment={name} is an object of type {type(own).__name__}: expected an Experiment")
    return own


def complete_config(name: str) -> Any:
    """Returns the config that has every setting of an experiment.

    >>> complete_config("sweep").name
    'sweep'
    """
    return importlib.import_module(f"pathjax.configs.{entry(name).config}").get_config()
