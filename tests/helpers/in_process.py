"""Programs in the process of the tests, as `python -m experiments.NAME` runs them: what starts no process is fast."""

import contextlib
import importlib
import io
import sys
from typing import NamedTuple

from absl import flags

from pathjax.experiments import main
from pathjax.experiments.runner import command_line


class Answer(NamedTuple):
    """What a program left: its status, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def answer_of(program) -> Answer:
    """What `program()` prints, and the status with which it exits."""
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
    """`python -m experiments.main`."""

    def program():
        values = flags.FlagValues()
        command_line.parse_flags(values, ["main", *argv], main.define_flags, main.REQUIRED, main.EXAMPLE)
        main.run(values)

    return answer_of(program)


def run(workdir, *more: str, config: str = "smoke") -> Answer:
    """A run, on one of the tests' devices; otherwise as `processes.run`."""
    return call(f"--config={config}", f"--workdir={workdir}", "--config.num_devices=1", *more)


def call_program(monkeypatch, name: str, *argv: str) -> Answer:
    """`python -m experiments.NAME`, one of the programs of their own."""
    module = importlib.import_module(f"pathjax.experiments.{name}.experiment")
    monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
    monkeypatch.setattr(command_line.app, "run", lambda main, flags_parser: main(flags_parser([name, *argv])))
    return answer_of(module.main)
