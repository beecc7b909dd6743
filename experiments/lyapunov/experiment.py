"""The leading Lyapunov exponents of a network in training: of its weights and of its function, over time."""

import numpy as np
from jax.flatten_util import ravel_pytree
from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.experiments.divergence.summary import add_linear_response, summarize
from pathjax.experiments.lyapunov import report
from pathjax.experiments.lyapunov.dense import dense_log_growth
from pathjax.experiments.lyapunov.summary import format_spectrum, summarize_spectrum
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import nonsmooth_source
from pathjax.tangents.propagate import random_tangents, split_moving
from pathjax.tangents.qr import orthonormalize
from pathjax.training.schedule import scheduled_step

MAX_DENSE = 2000  # dimensions whose dense Jacobians are still a matter of minutes


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)
    probe = parts.test[0][: measure.probe_examples]
    key, every = parts.tangent_key, measure.tangent_every
    num_tangents = measure.num_tangents
    if measure.whole_spectrum:
        num_tangents = trees.num_elements(split_moving(parts.state)[0])
        hint = "take a smaller network, or measure.whole_spectrum=False"
        require(num_tangents <= MAX_DENSE, f"the whole spectrum of {num_tangents} dimensions is too long: {hint}")
    return [
        obs.weight_distance(measure.distance_every),
        obs.weight_norm(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.linear_response(parts.dynamics, parts.directions, every),
        obs.lyapunov(parts.dynamics, key, num_tangents, every),
        obs.function_space_lyapunov(parts.dynamics, parts.predict, probe, key, measure.num_function_tangents, every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    trajectory = add_linear_response(trajectory)
    if config.measure.whole_spectrum:
        label = {"units": "nats", "long_name": "log-growth by dense Jacobians since the record before"}
        dense = _dense_log_growth(setup, config.measure.tangent_every)
        trajectory = trajectory.assign(dense_log_growth=(trajectory.log_growth.dims, dense, label))
    summary = summarize(trajectory, setup.num_test, config.model.activation, nonsmooth_source(config))
    summary |= {"spectrum": summarize_spectrum(trajectory)}
    return trajectory, summary, format_spectrum(summary)


def _dense_log_growth(setup: Setup, every: int) -> np.ndarray:
    """The log-growth of the same tangents by dense Jacobians, recorded as `lyapunov` records it."""
    print("the whole spectrum by dense Jacobians ...", flush=True)
    step_fn, xs = scheduled_step(setup.dynamics, setup.examples, setup.schedule)
    state = trees.index(setup.ensemble.state, 0)
    k = trees.num_elements(split_moving(state)[0])
    tangents = orthonormalize(random_tangents(setup.tangent_key, state, k)).q
    start = np.stack([ravel_pytree(trees.index(tangents, i))[0] for i in range(k)], axis=1)
    growth = dense_log_growth(step_fn, state, xs, start)
    return np.vstack([np.zeros(k), growth.reshape(-1, every, k).sum(axis=1)])


EXPERIMENT = Experiment(_observables, _summarize, report.write)
