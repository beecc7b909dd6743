"""A forked run in a process of its own, killed in the middle and started again: the same bits."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.processes import ROOT, wait_for

PROGRAM = """
import pathlib, sys
import jax, jax.numpy as jnp, numpy as np, optax, pathjax
from pathjax.engine.planning import abstract_loop, layout_of
from pathjax.engine.rollout import member_states
from pathjax.io import checkpoints

folder, key = pathlib.Path(sys.argv[1]), jax.random.key(0)
inputs, labels = jax.random.normal(key, (200, 8)), jax.random.randint(key, (200,), 0, 3)

def loss_fn(w, examples):
    logits = jnp.tanh(examples[0] @ w["first"]) @ w["last"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

dynamics = pathjax.training_dynamics(loss_fn, optax.adam(0.01))
starts = {"first": jax.random.normal(key, (2, 8, 64)), "last": jax.random.normal(key, (2, 64, 3))}
members = pathjax.fork(pathjax.fork(pathjax.independent_ensemble(dynamics, starts), 4, "branch"), 4, "twig")
schedule = pathjax.batch_schedule(key, 200, 20, num_steps=2000)
schedule = pathjax.fork_schedule(key, pathjax.fork_schedule(key, schedule, 4, 500, 200), 4, 1000, 200)
members = pathjax.with_schedules(members, np.arange(32) % 16)
measures, options = [pathjax.observables.weight_distance(every=50)], pathjax.RolloutOptions(chunk_length=100)
with checkpoints.open_checkpoints(folder) as checkpointer:
    layout = layout_of(members)
    last = checkpoints.load_latest(checkpointer, abstract_loop(members, measures, layout), layout)
    print("from", 0 if last is None else last.step, flush=True)
    arguments = (dynamics, members, (inputs, labels), schedule, measures, options)
    after, records = 0 if last is None else last.step, []
    for chunk in pathjax.rollout_chunks(*arguments, resume=None if last is None else tuple(last)):
        records.append(chunk.records)
        if chunk.step:
            joined = {name: np.concatenate([part[name] for part in records]) for name in records[0]}
            checkpoints.save(checkpointer, chunk.step, chunk.loop, joined, after)
            after, records = chunk.step, []
    found = checkpoints.load_records(checkpointer, 2000)
state = member_states(members, chunk.loop)
np.savez(folder / "end.npz", **found, **state.params, mu=state.opt_state[0].mu["first"])
"""


def started(folder: pathlib.Path):
    program = folder.parent / "forked.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(program), str(folder)], env=environment, **piped)


def digest(folder: pathlib.Path) -> dict[str, str]:
    with np.load(folder / "end.npz") as arrays:
        return {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in arrays}


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [600, 1200])
def test_a_forked_run_that_is_killed_resumes_to_the_same_bits(tmp_path, killed_at):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = started(whole)
    assert process.wait() == 0, process.stderr.read()
    process = started(killed)
    wait_for((killed / "digests" / f"{killed_at}.json").exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "end.npz").exists()
    again = started(killed)
    output, errors = again.communicate()
    assert again.returncode == 0, errors
    assert killed_at <= int(output.split()[1]) < 2000
    assert digest(killed) == digest(whole)
