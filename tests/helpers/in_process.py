"""Runs programs as `python -m experiments.NAME` does, but in the test process, which is faster."""

import contextlib
import importlib
import io
import sys
from typing import NamedTuple

from absl import flags

from pathjax.experiments import main
from pathjax.experiments.runner import command_line


class Answer(NamedTuple):
    """The exit status and output of a program."""

    returncode: int
    stdout: str
    stderr: str


def answer_of(program) -> Answer:
    """Runs `program()` and returns its exit status and output."""
    sys.modules.pop("config_config", None)  # ml_collections keeps the last config file that it loaded
    status, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            program()
        except SystemExit as stop:
            status = int(str(stop.code))
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Answer(status, out.getvalue(), err.getvalue())


def call(*argv: str) -> Answer:
    """Runs `python -m experiments.main`."""

    def program():
        values = flags.FlagValues()
        command_line.parse_flags(values, ["main", *argv], main.define_flags, main.REQUIRED, main.EXAMPLE)
        main.run(values)

    return answer_of(program)


def run(workdir, *more: str, config: str = "smoke") -> Answer:
    """Runs a config on one device; otherwise like `processes.run`."""
    return call(f"--config={config}", f"--workdir={workdir}", "--config.num_devices=1", *more)


def call_program(monkeypatch, name: str, *argv: str) -> Answer:
    """Runs `python -m experiments.NAME`, one of the separate programs."""
    module = importlib.import_module(f"pathjax.experiments.{name}.experiment")
    monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
    monkeypatch.setattr(command_line.app, "run", lambda main, flags_parser: main(flags_parser([name, *argv])))
    return answer_of(module.main)
