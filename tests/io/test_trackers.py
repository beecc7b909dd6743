"""What trackers are sent, and what TensorBoard reads of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import pathjax
from helpers.full_disks import files_of_at_most
from pathjax import observables as obs
from pathjax.core.errors import InputError
from pathjax.io.trackers import tensorboard, tracker, wandb

KEY = jax.random.key(0)
GROWING = pathjax.map_dynamics(lambda w, batch: 1.01 * w)
NUM_STEPS = 500


def roll_out(make):
    """A rollout whose records are sent to `make(members)`."""
    ensemble = pathjax.perturbed_ensemble(
        KEY, GROWING, jnp.ones(9), pathjax.on_sphere(), epsilons=[0.01, 0.1], num_seeds=3
    )
    measures = [obs.weight_distance(every=5), obs.weight_norm(), obs.lyapunov(KEY, GROWING, 2, every=10)]
    parts = (GROWING, ensemble, jnp.zeros(1), pathjax.full_batch_schedule(1, NUM_STEPS), measures)
    options = pathjax.RolloutOptions(chunk_length=100)
    return pathjax.rollout(*parts, options, on_records=make(ensemble.members))


def test_curves_are_medians_of_groups_at_a_few_steps():
    sent = {}
    log = lambda values, step: [sent.setdefault(name, []).append((step, one)) for name, one in values.items()]  # noqa: E731
    found = roll_out(lambda members: tracker(log, members, NUM_STEPS, max_points=40))
    assert "log_growth/baseline" not in sent and "tangent_collapse/baseline" in sent
    for name, points in sent.items():
        record, group = name.split("/")
        steps, values = zip(*points, strict=True)
        assert len(steps) <= 40 and steps[0] == 0 and len(set(np.diff(steps))) == 1
        at = np.isin(found.steps[record], steps)
        if group == "epsilon 0.1":
            np.testing.assert_allclose(values, np.median(found.records[record][at][:, 6:], axis=1), rtol=1e-6)
    assert set(sent) >= {"distance/epsilon 0.01", "distance/epsilon 0.1", "weight_norm/baseline"}


def test_tensorboard_reads_the_event_files(tmp_path):
    found = roll_out(lambda members: tensorboard(tmp_path / "events", members, NUM_STEPS))
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"scalars": 0})
    events.Reload()
    (name,) = [tag for tag in events.Tags()["scalars"] if tag.startswith("weight_norm/baseline")]
    points = events.Scalars(name)
    assert 100 < len(points) <= 200
    steps = [point.step for point in points]
    np.testing.assert_allclose([point.value for point in points], found.records["weight_norm"][steps, 0], rtol=1e-6)


def test_a_resumed_run_replaces_the_points_that_were_sent_before_it_was_interrupted(tmp_path):
    ensemble = pathjax.independent_ensemble(GROWING, jnp.ones((1, 3)))
    parts = (GROWING, ensemble, jnp.zeros(1), pathjax.full_batch_schedule(1, NUM_STEPS), [obs.weight_norm(every=10)])
    chunks = list(pathjax.rollout_chunks(*parts, pathjax.RolloutOptions(chunk_length=100)))
    interrupted = tensorboard(tmp_path, ensemble.members, NUM_STEPS)
    for chunk in chunks[:4]:  # to step 300, of which the checkpoint has 200
        interrupted(chunk)
    resumed = tensorboard(tmp_path, ensemble.members, NUM_STEPS, resumed_at=200)
    for chunk in chunks[3:]:
        resumed(chunk)
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    events.Reload()
    assert [point.step for point in events.Scalars("weight_norm/baseline")] == list(range(0, 501, 10))


def test_a_sweep_has_curves_of_each_setting():
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2) / 2, lambda h: optax.sgd(h["rate"]))
    made = {"epsilons": [0.1], "num_seeds": 2, "hparams": {"rate": 0.1}}
    one = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(9), pathjax.on_sphere(), **made)
    swept = pathjax.sweep(dynamics, one, [{"rate": rate} for rate in (0.1, 0.5)])
    sent = {}
    send = tracker(lambda values, step: sent.update({step: values}), swept.members, 4)
    parts = (dynamics, swept, jnp.zeros(1), pathjax.full_batch_schedule(1, 4), [obs.weight_distance()])
    found = pathjax.rollout(*parts, on_records=send).records["distance"]
    assert sent[4]["distance/setting 1/epsilon 0.1"] == np.median(found[4, 1, 3:])
    assert sent[4]["distance/setting 0/baseline"] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one: tracker(None, one.members, 5), "log must be a function of values and a step, not of"),
        (lambda one: tracker(print, one, 5), "members must be those of an ensemble, ensemble.members, not of type Ens"),
        (lambda one: tensorboard(__file__, one.members, 5), "test_trackers.py is a file: give the folder of the event"),
    ],
    ids=["log", "members", "file"],
)
def test_what_a_tracker_is_made_of_is_checked(call, message):
    with pytest.raises(InputError, match=message):
        call(pathjax.independent_ensemble(GROWING, jnp.ones((1, 3))))


def test_a_run_of_weights_and_biases_gets_the_values_of_each_step():
    class Run:
        def __init__(self):
            self.steps, self.names = [], set()

        def log(self, data, step=None, commit=None):
            self.steps.append(step)
            self.names |= set(data)

    run = Run()
    roll_out(lambda members: wandb(run, members, NUM_STEPS))
    assert run.steps == sorted(set(run.steps)) and "distance/epsilon 0.1" in run.names
    with pytest.raises(InputError, match="run must be what wandb.init"):
        wandb(None, None, NUM_STEPS)


def test_a_full_disk_ends_a_rollout_with_the_name_of_the_event_file(tmp_path):
    def make(members):
        send = tensorboard(tmp_path / "events", members, NUM_STEPS)

        def send_without_room(chunk):
            with files_of_at_most(1000):
                send(chunk)

        return send_without_room

    with pytest.raises(OSError, match="File too large.*events.out.tfevents"):
        roll_out(make)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_points": 0}, "max_points must be 1 or more, not 0"), ({"num_steps": 0}, "num_steps must be 1 or more")],
    ids=["points", "steps"],
)
def test_bad_options_are_refused_in_one_line(options, message):
    members = pathjax.independent_ensemble(GROWING, jnp.ones((1, 3))).members
    with pytest.raises(InputError, match=message):
        tracker(print, members, **{"num_steps": 5} | options)
