"""The command `pathjax`: runs an experiment, makes its report anew, lists configs and versions."""

import contextlib
import importlib.metadata
import pathlib
import platform
import sys
from collections.abc import Sequence

from pathjax.core.errors import InputError
from pathjax.experiments import main as experiment
from pathjax.experiments import registry
from pathjax.experiments.runner import command_line

USAGE = """usage: pathjax COMMAND

  run --config=NAME_OR_FILE --workdir=FOLDER [--config.KEY=VALUE ...] [--resume] [--dry_run]
                     runs an experiment into a folder; pathjax run --help lists all flags
  report FOLDER      makes the figures and the page of a finished run anew
  configs            lists the configs that come with pathjax
  version            prints the versions of pathjax and of what it builds on"""
EXAMPLE = "pathjax run --config=digits --workdir=results/digits"
PROGRAMS = ("pathjax", "jax", "jaxlib", "flax", "optax", "numpy", "xarray", "orbax-checkpoint")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments name; a wrong one ends with one line and status 2."""
    given = list(sys.argv[1:] if argv is None else argv)
    command_line.find_own_modules()
    commands = {"run": _run, "report": _report, "configs": _configs, "version": _version}
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE)
        return
    with command_line.one_line_errors():
        if given[0] not in commands:
            raise InputError(f"unknown command '{given[0]}': choose one of {', '.join(commands)}")
        commands[given[0]](given[1:])


def _run(argv: list[str]) -> None:
    """Runs the program of the config's experiment."""
    sys.argv = ["pathjax run", *argv]
    if _program_of(argv) == "experiments.sweep":
        from pathjax.experiments.sweep.experiment import main as sweep

        sweep()
    else:
        command_line.run_program(experiment.main, experiment.define_flags, experiment.REQUIRED, EXAMPLE)


def _program_of(argv: list[str]) -> str:
    with contextlib.suppress(Exception):  # a config that cannot be loaded is reported by the program itself
        return registry.entry(command_line.config_of(argv).experiment).program
    return "experiments.main"


def _report(argv: list[str]) -> None:
    if len(argv) != 1:
        raise InputError("give the folder of one finished run, as in: pathjax report results/digits")
    from pathjax.io.run_folder import locked, open_run

    folder, run = pathlib.Path(argv[0]), open_run(argv[0])
    with locked(folder):
        registry.load_experiment(run.config["experiment"]).write_report(folder, run)
    print(folder / "report.html")


def _configs(argv: list[str]) -> None:
    _takes_nothing("configs", argv)
    for name, first_line in command_line.described_configs().items():
        print(f"{name:16} {first_line}")


def _version(argv: list[str]) -> None:
    _takes_nothing("version", argv)
    for name in PROGRAMS:
        print(f"{name:16} {importlib.metadata.version(name)}")
    print(f"{'python':16} {platform.python_version()}")


def _takes_nothing(command: str, argv: list[str]) -> None:
    if argv:
        raise InputError(f"pathjax {command} takes no arguments, but got {' '.join(argv)}")
