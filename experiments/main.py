"""Run an experiment: python -m experiments.main --config=configs/digits.py --workdir=results/digits

Any setting can be changed: --config.optimizer.learning_rate=0.3. A run that was interrupted goes on with --resume.
"""

from absl import app, flags, logging
from ml_collections import config_flags

from experiments import command_line
from pathjax.errors import require

FLAGS = flags.FLAGS
CONFIG = config_flags.DEFINE_config_file("config", None, "Python file with get_config().", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run: made, or continued, never overwritten unasked.")
RESUME = flags.DEFINE_bool("resume", False, "Go on with the run in workdir, from its last checkpoint.")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the run in workdir.")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes; see docs/cluster.md.")
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where no scheduler tells.")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes, where no scheduler tells.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which one this is, from 0, where no scheduler tells.")


def main(_) -> None:
    """Import late: a wrong flag is then answered at once."""
    from experiments import devices, divergence, hosts, lyapunov, recording

    experiments = {"divergence": divergence.EXPERIMENT, "lyapunov": lyapunov.EXPERIMENT}
    logging.set_verbosity(logging.ERROR)
    with command_line.one_line_errors():
        name = CONFIG.value.get("experiment")
        require(name in experiments, f"unknown experiment '{name}': choose one of {', '.join(experiments)}")
        devices.prepare(CONFIG.value.num_devices)
        if DISTRIBUTED.value:
            hosts.connect(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
        workdir = str(WORKDIR.value)
        recording.run(experiments[name], CONFIG.value, workdir, resume=RESUME.value, overwrite=OVERWRITE.value)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda args: command_line.parse_flags(FLAGS, args, required=("config", "workdir")))
