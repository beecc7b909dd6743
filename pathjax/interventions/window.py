"""Hyperparameters that are others for a while."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from pathjax.errors import require
from pathjax.typing import Batch, Dynamics, State


def windowed(dynamics: Dynamics, names: Sequence[str]) -> Dynamics:
    """The same dynamics, in which hyperparameters have another value from one step to another, for each member its own.

    For each name "h" there are three more hyperparameters, "h/from", "h/until" and "h/value": in the steps from
    "h/from" on and before "h/until", h is "h/value"; before and after it is as ever. With a strength that is 0 outside,
    this is a regularizer, or label smoothing, that is on for a while.

    Raises:
        InputError: when it is started from hyperparameters that are not there.

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

    def init(params, hparams):
        for name in names:
            parts = (name, *(f"{name}/{what}" for what in ("from", "until", "value")))
            missing = [part for part in parts if part not in hparams]
            require(not missing, f"hyperparameter {', '.join(missing)} is missing: a window of '{name}' needs {parts}")
        return dynamics.init(params, hparams)

    def within(inner: Callable) -> Callable:
        def step(state: State, batch: Batch):
            h = state.hparams
            now = {name: jnp.where(_open(h, name, state.step), h[f"{name}/value"], h[name]) for name in names}
            after, info = inner(state._replace(hparams=h | now), batch)
            return after._replace(hparams=after.hparams | {name: h[name] for name in names}), info

        return step

    calm = dynamics.undisturbed
    return Dynamics(init, within(dynamics.step), calm and calm._replace(step=within(calm.step)))


def _open(hparams: dict, name: str, step):
    return (hparams[f"{name}/from"] <= step) & (step < hparams[f"{name}/until"])
