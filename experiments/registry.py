"""The experiments by name: the module that runs each, and the config in which all its settings stand.

A new experiment is a folder in experiments/, a file in configs/, and a line here.
"""

import importlib
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from pathjax.core.errors import require


class Entry(NamedTuple):
    """`program` is the command that runs it; `module` what holds its EXPERIMENT; `config` the name of its config."""

    module: str
    config: str
    program: str = "experiments.main"


EXPERIMENTS = {
    "butterfly": Entry("butterfly", "butterfly"),
    "divergence": Entry("divergence", "digits"),
    "distances": Entry("distances", "digits_full"),
    "induction": Entry("induction", "induction"),
    "lyapunov": Entry("lyapunov", "lyapunov"),
    "growth": Entry("growth", "hoogland2023"),
    "sensitivity": Entry("sensitivity", "sensitivity"),
    "sweep": Entry("sweep", "sweep", program="experiments.sweep"),
}


def entry(name: object) -> Entry:
    """The experiment that a config names.

    Raises:
        InputError: for a name that there is not.

    >>> entry("growth").config
    'hoogland2023'
    """
    require(name in EXPERIMENTS, f"unknown experiment '{name}': choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[str(name)]


def load_experiment(name: object) -> Any:
    """The EXPERIMENT of a name, imported when it is asked for.

    Raises:
        InputError: for a name that there is not, or an experiment with a program of its own.
    """
    module, _, program = entry(name)
    own = f"experiment '{name}' has a program of its own: python -m {program}, with the same flags"
    require(program == "experiments.main", own)
    return importlib.import_module(f"pathjax.experiments.{module}.experiment").EXPERIMENT


def complete_config(name: object) -> tuple[str, ConfigDict]:
    """The file, and the config, in which every setting of an experiment stands.

    >>> complete_config("sweep")[0]
    'configs/sweep.py'
    """
    config = entry(name).config
    return f"configs/{config}.py", importlib.import_module(f"pathjax.configs.{config}").get_config()
