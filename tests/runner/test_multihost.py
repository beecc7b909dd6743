"""Several processes, each with its own devices, on one run."""

import resource
import socket
import subprocess

import numpy as np
import pytest

from helpers.processes import ROOT, command, run
from pathjax.io import run_folder

SMALL = ("--config.num_steps=100", "--config.member_tile=2", "--config.checkpoint_every=50")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_together(workdir, *more, num_processes=2, lead_limits=None):
    """Runs all processes of one run to their end; calls `lead_limits()` in the first before it starts."""
    together = ("--distributed", f"--coordinator=127.0.0.1:{free_port()}", f"--num_processes={num_processes}")
    commands = [command(workdir, *SMALL, *together, f"--process_id={i}", *more) for i in range(num_processes)]
    piped = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    limits = [lead_limits, *[None] * (num_processes - 1)]
    processes = [subprocess.Popen(c, preexec_fn=limit, **piped) for c, limit in zip(commands, limits, strict=True)]
    outputs = [process.communicate(timeout=300) for process in processes]
    return [subprocess.CompletedProcess(p.args, p.returncode, *o) for p, o in zip(processes, outputs, strict=True)]


def test_two_processes_with_two_devices_give_the_results_of_one(tmp_path):
    assert run(tmp_path / "one", *SMALL, "--config.num_devices=4").returncode == 0
    lead, other = run_together(tmp_path / "two", "--config.num_devices=2")
    assert lead.returncode == other.returncode == 0, lead.stderr + other.stderr
    assert "7 members, 100 steps" in lead.stdout and "report" not in other.stdout
    one, two = (run_folder.open_run(tmp_path / name) for name in ("one", "two"))
    assert two.manifest["device"]["count"] == 4
    for name in one.trajectory.data_vars:
        if "member" in one.trajectory[name].dims:
            np.testing.assert_array_equal(two.trajectory[name], one.trajectory[name], err_msg=name)
        else:
            np.testing.assert_allclose(two.trajectory[name], one.trajectory[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_processes_agree_that_a_run_is_finished(tmp_path):
    assert [done.returncode for done in run_together(tmp_path / "two", "--config.num_devices=2")] == [0, 0]
    again = run_together(tmp_path / "two", "--config.num_devices=2", "--resume")
    assert [done.returncode for done in again] == [0, 0] and "finished already" in again[0].stdout


@pytest.mark.slow
def test_an_error_ends_all_processes(tmp_path):
    (tmp_path / "theirs.txt").write_text("keep")
    lead, other = run_together(tmp_path, "--config.num_devices=2")
    assert lead.returncode == other.returncode == 2
    assert "holds files that do not belong to a run" in lead.stderr and "Traceback" not in lead.stderr + other.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.txt"]


@pytest.mark.slow
def test_a_folder_that_another_run_holds_ends_all_processes(tmp_path):
    with run_folder.locked(tmp_path / "run"):
        lead, other = run_together(tmp_path / "run", "--config.num_devices=2")
    assert lead.returncode == other.returncode == 2
    assert "is being written by another process" in lead.stderr and "Traceback" not in lead.stderr + other.stderr


@pytest.mark.slow
def test_a_full_disk_of_the_first_process_ends_all(tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    lead, other = run_together(
        tmp_path, "--config.num_devices=2", "--config.measure.distance_every=1", lead_limits=full
    )
    assert lead.returncode == 2 and other.returncode != 0
    assert "cannot be written" in lead.stderr and "--resume" in lead.stderr
