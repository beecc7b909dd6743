"""Hyperparameters that are others for a while."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pathjax.core.errors import require
from pathjax.core.types import Batch, Dynamics, Ensemble, State


def windowed(dynamics: Dynamics, names: Sequence[str]) -> Dynamics:
    """The same dynamics, in which hyperparameters have another value from one step to another, for each member its own.

    For each name "h" there are three more hyperparameters, "h/from", "h/until" and "h/value": in the steps from
    "h/from" on and before "h/until", h is "h/value"; before and after it is as ever. With a strength that is 0 outside,
    this is a regularizer, or label smoothing, that is on for a while. `with_window` gives members windows of their own.

    Args:
        dynamics: see `training_dynamics`.
        names: of hyperparameters.

    Returns:
        Dynamics with three more hyperparameters for each name.

    Raises:
        InputError: for dynamics with interventions, and when it is started from hyperparameters that are not there.

    >>> import jax, optax, pathjax
    >>> plain = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    >>> hparams = {"rate": 0.5, "rate/from": 1, "rate/until": 2, "rate/value": 0.0}
    >>> dynamics, batch = windowed(plain, ["rate"]), Batch(None, None, jax.random.key(0))
    >>> state = dynamics.init(jnp.ones(1), hparams)
    >>> for _ in range(3):
    ...     state, _ = dynamics.step(state, batch)
    >>> float(state.params[0])
    0.25
    """
    names = tuple(names)
    inside = "windows go inside, or they would undo what happens: intervened(windowed(dynamics, names), interventions)"
    require(not dynamics.interventions, inside)

    def init(params, hparams):
        for name in names:
            parts = (name, *(f"{name}/{what}" for what in ("from", "until", "value")))
            missing = [part for part in parts if part not in hparams]
            require(not missing, f"hyperparameter {', '.join(missing)} is missing: a window of '{name}' needs {parts}")
        return dynamics.init(params, hparams)

    def step(state: State, batch: Batch):
        h = state.hparams
        now = {name: jnp.where(_open(h, name, state.step), h[f"{name}/value"], h[name]) for name in names}
        after, info = dynamics.step(state._replace(hparams=h | now), batch)
        return after._replace(hparams=after.hparams | {name: h[name] for name in names}), info

    return Dynamics(init, step)


def _open(hparams: dict, name: str, step):
    return (hparams[f"{name}/from"] <= step) & (step < hparams[f"{name}/until"])


def with_window(ensemble: Ensemble, name: str, starts: Array, ends: Array, values: Array) -> Ensemble:
    """The same ensemble of windowed dynamics, with a window of its own for each of M members (or one for all).

    Args:
        ensemble: made of dynamics in which `name` is `windowed`.
        name: of the hyperparameter.
        starts: steps (M,) from which on it has another value; a window that starts where it ends never opens.
        ends: steps (M,) from which on it is as ever.
        values: the other values (M,).

    Returns:
        The Ensemble, with the window in its hyperparameters.

    Raises:
        InputError: if the hyperparameter has no window, shapes do not fit, or something is not finite.

    >>> import jax, optax, pathjax
    >>> plain = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    >>> made = {"hparams": {"rate": 0.1, "rate/from": 0, "rate/until": 0, "rate/value": 0.0}}
    >>> made |= {"epsilons": [0.1, 0.2], "num_seeds": 1}
    >>> parts = jax.random.key(0), windowed(plain, ["rate"]), jnp.ones(100), pathjax.on_sphere()
    >>> ensemble = with_window(pathjax.perturbed_ensemble(*parts, **made), "rate", 0, [0, 0, 0, 5, 9], 0.3)
    >>> ensemble.state.hparams["rate/until"].tolist()
    [0, 0, 0, 5, 9]
    """
    num, hparams = len(ensemble.members.role), dict(ensemble.state.hparams)
    for what, given in (("from", starts), ("until", ends), ("value", values)):
        leaf = f"{name}/{what}"
        require(leaf in hparams, f"'{name}' has no window: make the ensemble of windowed(dynamics, ['{name}'])")
        own = np.asarray(given)
        fits = own.shape in ((), (num,)) and bool(np.isfinite(own).all())
        require(fits, f"{leaf} has shape {own.shape} and {own.tolist()}: give one finite number, or {num}")
        hparams[leaf] = jnp.broadcast_to(jnp.asarray(own, hparams[leaf].dtype), (num,))
    return ensemble._replace(state=ensemble.state._replace(hparams=hparams))
