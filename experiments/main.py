"""Runs an experiment: python -m experiments.main --config=configs/digits.py --workdir=results/digits

A flag can change any setting: --config.optimizer.learning_rate=0.3. An interrupted run resumes with --resume.
"""

from collections.abc import Sequence

from absl import flags, logging
from ml_collections import config_flags

from pathjax.core.errors import require
from pathjax.experiments.runner import command_line

REQUIRED = ("config", "workdir")
TRACKERS = ("tensorboard",)
EXAMPLE = "python -m experiments.main --config=configs/digits.py --workdir=results/digits"


def define_flags(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Defines the program's flags; each override of the config in `argv` becomes a flag."""
    options = {"flag_values": values, "lock_config": True, "sys_argv": list(argv)}
    config_flags.DEFINE_config_file("config", None, "A config's name (digits), or a file with get_config().", **options)
    help_workdir = "Run folder: created or resumed, and overwritten only with --overwrite."
    flags.DEFINE_string("workdir", None, help_workdir, flag_values=values)
    help_resume = "Resume the run in workdir from its last checkpoint."
    flags.DEFINE_bool("resume", False, help_resume, flag_values=values)
    flags.DEFINE_bool("overwrite", False, "Replace the run in workdir.", flag_values=values)
    help_dry = "Print the run's members, memory, disk and time, and write nothing."
    flags.DEFINE_bool("dry_run", False, help_dry, flag_values=values)
    help_tracker = "Where curves are sent while the run trains: tensorboard (in the folder tensorboard of workdir)."
    flags.DEFINE_enum("tracker", None, list(TRACKERS), help_tracker, flag_values=values)
    help_distributed = "Run as one of several processes: docs/cluster.md."
    flags.DEFINE_bool("distributed", False, help_distributed, flag_values=values)
    unless = "if no scheduler provides it."
    flags.DEFINE_string("coordinator", None, f"HOST:PORT of process 0, {unless}", flag_values=values)
    flags.DEFINE_integer("num_processes", None, f"Number of processes, {unless}", flag_values=values)
    flags.DEFINE_integer("process_id", None, f"Index of this process, from 0, {unless}", flag_values=values)


def run(values: flags.FlagValues) -> None:
    """Runs the experiment of the parsed flags. Imports late, so that a wrong flag is reported immediately."""
    from pathjax.experiments import registry
    from pathjax.experiments.runner import devices, multihost
    from pathjax.experiments.runner.run import dry_run, run_experiment
    from pathjax.experiments.runner.settings import parse_settings

    with command_line.one_line_errors(to_resume="the same command and --resume"):
        settings = parse_settings(values.config)
        program = registry.entry(settings.experiment).program
        own = f"experiment '{settings.experiment}' has its own program: run python -m {program} with the same flags"
        require(program == "experiments.main", own)
        devices.prepare(settings.num_devices)
        alone = [name for name in ("coordinator", "num_processes", "process_id") if values[name].value is not None]
        require(values.distributed or not alone, f"--{alone[:1] and alone[0]} needs --distributed: give that flag too")
        if values.distributed:
            multihost.connect(values.coordinator, values.num_processes, values.process_id)
        experiment = registry.load_experiment(settings.experiment)
        given = {"resume": values.resume, "overwrite": values.overwrite}
        if values.dry_run:
            print(dry_run(experiment, settings, values.workdir, **given))
        else:
            run_experiment(experiment, settings, values.workdir, tracker=values.tracker, **given)


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    run(flags.FLAGS)


if __name__ == "__main__":
    command_line.run_program(main, define_flags, REQUIRED, EXAMPLE)
