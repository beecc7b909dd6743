"""The local learning coefficient of networks: how the volume of weights with a low loss shrinks."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from pathjax.analysis.intervals import mean_over_units
from pathjax.analysis.temperature_ladders import LadderFit, ladder_fit
from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require, require_count
from pathjax.core.types import Batch, Ensemble, PyTree, State
from pathjax.engine.options import RolloutOptions
from pathjax.engine.rollout import rollout
from pathjax.ensemble.fork import fork
from pathjax.ensemble.independent import independent_ensemble
from pathjax.ensemble.noise import with_noise
from pathjax.observables.losses import mean_loss
from pathjax.training.langevin import langevin_dynamics
from pathjax.training.loss import Loss
from pathjax.training.loss_of_weights import LossOfWeights
from pathjax.training.schedule import Schedule, batch_schedule, count_examples
from pathjax.training.several_schedules import full_batch_schedule


class Sampling(NamedTuple):
    """How weights are sampled.

    Attributes:
        inverse_temperatures: t, increasing; chains pass from each to the next. With n examples, n / log n is usual.
        num_chains: independent chains of each network.
        num_steps: steps at each temperature, a multiple of 4. In the first half, which is not counted, chains settle
            and tune their steps.
        localization: the precision gamma of the normal distribution around the network to which chains are confined.
        smallest_step: the smallest step size, in units of 1 / t.
        largest_step: the largest step size, in units of 1 / gamma. Half of the steps have a size drawn log-uniformly in
            between, the others one that each chain tunes.
        batch_size: examples of a step; None: all. With batches no proposal is refused (SGLD), and samples have an error
            that grows with the step size and with the noise of batches.
        batch_step: the step size with batches, in units of 1 / t.
    """

    inverse_temperatures: tuple[float, ...]
    num_chains: int = 40
    num_steps: int = 400
    localization: float = 1.0
    smallest_step: float = 1e-3
    largest_step: float = 2.0
    batch_size: int | None = None
    batch_step: float = 0.1


@shown_in_short
class LearningCoefficients(NamedTuple):
    """Estimates for M networks.

    Attributes:
        inverse_temperatures: t, float[level].
        energies: t (mean loss of a chain's samples - loss of the network), float[M, chain, level].
        values, low, high: the estimate at each temperature, its mean over chains, with 95% intervals, float[M, level].
        drifts, drift_low, drift_high: the energy of the second half of the steps minus that of the second quarter, with
            95% intervals over chains, float[M, level]. Above 0, chains settle slowly, and the estimate may be too low:
            take more steps.
        accepted: share of proposals that were accepted at the last step of each temperature, float[level].
    """

    inverse_temperatures: Float[np.ndarray, " level"]
    energies: Float[np.ndarray, "M chain level"]
    values: Float[np.ndarray, "M level"]
    low: Float[np.ndarray, "M level"]
    high: Float[np.ndarray, "M level"]
    drifts: Float[np.ndarray, "M level"]
    drift_low: Float[np.ndarray, "M level"]
    drift_high: Float[np.ndarray, "M level"]
    accepted: Float[np.ndarray, " level"]

    def extrapolated(self) -> list[LadderFit]:
        """Returns each network's coefficient at temperature 0; see `pathjax.analysis.temperature_ladders`."""
        return [ladder_fit(self.inverse_temperatures, own) for own in self.energies]


def learning_coefficient(
    key: Key[Array, ""],
    loss_fn: Callable | Loss,
    networks: PyTree,
    dataset: PyTree,
    sampling: Sampling,
    *,
    options: RolloutOptions = RolloutOptions(),  # noqa: B008
) -> LearningCoefficients:
    """Estimates the local learning coefficient of networks, t (E_t[L] - L(w_0)), by chains around each of them.

    E_t is the mean over weights w of density exp(-t L(w) - (gamma / 2) |w - w_0|^2). In a regular model of d weights
    and at a minimum it tends to d / 2 for large t, in a singular one to less. Away from a minimum it may be negative.
    Chains are members of a rollout: forks of each network, each with its own noise.

    Args:
        key: typed PRNG key of the chains.
        loss_fn: `loss_fn(params, examples)`, the loss L per example, or a `pathjax.Loss`.
        networks: weights w_0 of M networks with a leading axis, as of an ensemble's `state.params`, or a
            `pathjax.Network` of such weights and states.
        dataset: a pytree of arrays with the examples on the leading axis.
        sampling: temperatures, chains and steps.
        options: of the rollout, such as the mesh.

    Returns:
        LearningCoefficients; intervals are Student's over chains.

    Raises:
        InputError: if an option is out of range, the loss of a network is not finite, or no chain of it moves or one
            diverges.

    Source: Lau et al. 2023, arXiv 2308.12108; Watanabe 2013, JMLR 14.

    >>> bowl = lambda w, x: 0.5 * jnp.sum(w**2)
    >>> sampling = Sampling(inverse_temperatures=(1e4,), num_chains=50, num_steps=200)
    >>> found = learning_coefficient(jax.random.key(0), bowl, jnp.zeros((1, 4)), jnp.zeros(1), sampling)
    >>> abs(found.values[0, 0] - 2) < 0.3  # d / 2
    np.True_
    """
    _check(sampling)
    count_examples(dataset)
    loss = loss_fn if isinstance(loss_fn, Loss) else Loss(loss_fn)
    dynamics = langevin_dynamics(loss, adjusted=sampling.batch_size is None)
    first = _hyperparameters(sampling, sampling.inverse_temperatures[0])
    start = independent_ensemble(dynamics, networks, hparams=first)
    chains = with_noise(fork(start, sampling.num_chains, "chain"))
    # The first chain of the baseline would share the schedule's noise, which is as good as any.
    at_start = np.asarray(_losses(loss, start.state, dataset), float)
    _require_each(np.isfinite(at_start), "the loss of network {} is not finite: give networks with a finite loss")
    quarters, accepted = [], []
    for level, t in enumerate(sampling.inverse_temperatures):
        chains = _at_temperature(chains, _hyperparameters(sampling, t))
        schedule = _schedule(jax.random.fold_in(key, level), dataset, sampling)
        found = rollout(dynamics, chains, dataset, schedule, [mean_loss(every=sampling.num_steps // 4)], options)
        chains = found.ensemble
        means = np.asarray(found.records["mean_loss"][-3:], float).reshape(3, len(at_start), -1)
        quarters.append(t * (means - at_start[:, None]))
        accepted.append(float(jnp.mean(chains.state.opt_state.accepted)))
        _check_chains(chains, quarters[-1], t, sampling)
    return _result(sampling, np.stack(quarters, -1), accepted)


def _result(sampling: Sampling, quarters: np.ndarray, accepted: list[float]) -> LearningCoefficients:
    """Returns estimates from energies in all quarters but the first, [quarter, network, chain, level]."""
    energies = quarters[1:].mean(0)
    temperatures = np.array(sampling.inverse_temperatures, float)
    values, low, high = _intervals(energies)
    drifts, drift_low, drift_high = _intervals(energies - quarters[0])
    drifted = (drifts, drift_low, drift_high)
    return LearningCoefficients(temperatures, energies, values, low, high, *drifted, np.array(accepted))


def _intervals(energies: np.ndarray) -> np.ndarray:
    """Returns means over chains with the ends of their intervals, [3, network, level]."""
    return np.moveaxis(np.array([[mean_over_units(own) for own in network.T] for network in energies]), -1, 0)


def _check_chains(chains: Ensemble, energies: np.ndarray, t: float, sampling: Sampling) -> None:
    """Checks that chains are finite, and that some chain of each network has left its center."""
    name = "batch_step" if sampling.batch_size is not None else "smallest_step"
    smaller = f"at inverse temperature {t:g}: choose a smaller {name}"
    finite = np.array([np.isfinite(energies[:, i]).all() for i in range(energies.shape[1])])
    _require_each(finite, f"chains of network {{}} diverged {smaller}")
    weights, _ = trees.split_floats(chains.state.params)
    away = jax.vmap(lambda a, b: trees.norm(trees.subtract(a, b)))(weights, chains.state.opt_state.center)
    moved = np.asarray(away).reshape(energies.shape[1:]).max(-1) > 0
    _require_each(moved, f"all proposals of network {{}} were refused {smaller}, or a loss that is finite around it")


def _require_each(holds: np.ndarray, message: str) -> None:
    """Raises the message, with the number of the first network for which it does not hold."""
    require(bool(holds.all()), message.format(int(np.argmin(holds))))


def _check(sampling: Sampling) -> None:
    t = sampling.inverse_temperatures
    are_levels = isinstance(t, tuple | list | np.ndarray) and len(t) > 0 and all(0 < one < np.inf for one in t)
    increasing = are_levels and all(a < b for a, b in zip(t, t[1:], strict=False))
    require(increasing, f"inverse_temperatures must be a tuple of positive, increasing numbers, not {t}")
    require_count("num_chains", sampling.num_chains, 2)
    require_count("num_steps", sampling.num_steps, 4)
    require(sampling.num_steps % 4 == 0, f"num_steps must be a multiple of 4, not {sampling.num_steps}")
    for name in ("localization", "smallest_step", "largest_step", "batch_step"):
        value = getattr(sampling, name)
        require(0 < value < np.inf, f"{name} must be positive and finite, not {value}")
    if sampling.batch_size is not None:
        require_count("batch_size", sampling.batch_size, 1)
    smallest, largest = sampling.smallest_step / t[0], sampling.largest_step / sampling.localization
    sizes = f"smallest_step / inverse temperature ({smallest:.3g}) must be below largest_step / localization"
    require(smallest < largest, f"{sizes} ({largest:.3g}): choose a smaller smallest_step")


def _hyperparameters(sampling: Sampling, t: float) -> dict[str, float]:
    smallest, largest = sampling.smallest_step / t, sampling.largest_step / sampling.localization
    always = {"inverse_temperature": t, "localization": sampling.localization}
    if sampling.batch_size is not None:
        return always | {"step_size": sampling.batch_step / t}
    decades = float(np.log10(largest / smallest))
    return always | {"step_size": smallest, "step_decades": decades, "tuning_steps": sampling.num_steps // 2}


def _at_temperature(chains: Ensemble, hparams: dict[str, float]) -> Ensemble:
    old = chains.state.hparams
    new = {name: jnp.full_like(old[name], value) for name, value in hparams.items()}
    step = jnp.zeros_like(chains.state.step)  # each temperature has a schedule of its own
    return chains._replace(state=chains.state._replace(hparams=new, step=step))


def _schedule(key, dataset: PyTree, sampling: Sampling) -> Schedule:
    num = count_examples(dataset)
    if sampling.batch_size is None:
        return full_batch_schedule(num, sampling.num_steps)._replace(key=key)
    return batch_schedule(key, num, sampling.batch_size, num_steps=sampling.num_steps)


def _losses(loss: Loss, networks: State, dataset: PyTree) -> Array:
    """Returns the mean loss of each network on all examples."""

    def of(state: State) -> Array:
        batch = Batch(dataset, None, jax.random.key(0), dataset, state.step)
        network = LossOfWeights(loss, state, batch)
        return network.mean(network.floats)

    return jax.jit(jax.vmap(of))(networks)
