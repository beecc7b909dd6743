"""Measures the leading Lyapunov exponents of a network in training, of its weights and its function, over time."""

import numpy as np
from jax.flatten_util import ravel_pytree

from pathjax import observables as obs
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.experiments.divergence.summary import add_linear_response, summarize
from pathjax.experiments.lyapunov import report
from pathjax.experiments.lyapunov.dense import dense_log_growth
from pathjax.experiments.lyapunov.summary import format_spectrum, summarize_spectrum
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import activation_of, missed_by_tangents
from pathjax.tangents.propagate import random_tangents, split_moving
from pathjax.tangents.qr import orthonormalize
from pathjax.training.schedule import scheduled_step

MAX_DENSE = 2000  # dimensions; dense Jacobians of this size still take only minutes


class LyapunovMeasure(Measure):
    """The cadences and sizes of the records."""

    num_tangents: Count = setting("number of leading exponents of weights and optimizer state", "num_exponents", "k")
    num_function_tangents: Count = setting("number of leading exponents of the function")
    probe_examples: Count = setting("number of test examples on whose outputs the function is measured")
    whole_spectrum: bool = setting("whether to measure all exponents, also from dense Jacobians (for small networks)")


class Settings(RunSettings):
    """The settings of this experiment."""

    measure: LyapunovMeasure


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    train = training_examples(settings, parts)
    probe = parts.test[0][: measure.probe_examples]
    key, every = parts.tangent_key, measure.tangent_every
    num_tangents = measure.num_tangents
    if measure.whole_spectrum:
        num_tangents = trees.num_elements(split_moving(parts.state)[0])
        hint = "choose a smaller network, or measure.whole_spectrum=False"
        require(num_tangents <= MAX_DENSE, f"the whole spectrum of {num_tangents} dimensions is too large: {hint}")
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.weight_norm(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.linear_response(parts.dynamics, parts.directions, every=every),
        obs.lyapunov(key, parts.dynamics, num_tangents, every=every),
        obs.function_space_lyapunov(
            key, parts.dynamics, parts.predict, probe, measure.num_function_tangents, every=every
        ),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    trajectory = add_linear_response(trajectory)
    if settings.measure.whole_spectrum:
        label = {"units": "nats", "long_name": "log-growth by dense Jacobians since the record before"}
        dense = _dense_log_growth(setup, settings.measure.tangent_every)
        trajectory = trajectory.assign(dense_log_growth=(trajectory.log_growth.dims, dense, label))
    summary = summarize(trajectory, setup.num_test, activation_of(settings), missed_by_tangents(settings))
    summary |= {"spectrum": summarize_spectrum(trajectory)}
    return trajectory, summary, format_spectrum(summary)


def _dense_log_growth(setup: Setup, every: int) -> np.ndarray:
    """Computes the log-growth of the same tangents from dense Jacobians, in the format of `obs.lyapunov`."""
    print("computing the full spectrum from dense Jacobians ...", flush=True)
    step_fn, rows = scheduled_step(setup.dynamics, setup.dataset, setup.schedule)
    state = trees.index(setup.ensemble.state, 0)
    k = trees.num_elements(split_moving(state)[0])
    tangents = orthonormalize(random_tangents(setup.tangent_key, state, k)).q
    start = np.stack([ravel_pytree(trees.index(tangents, i))[0] for i in range(k)], axis=1)
    growth = dense_log_growth(step_fn, state, rows, start)
    return np.vstack([np.zeros(k), growth.reshape(-1, every, k).sum(axis=1)])


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
