"""Windows: hyperparameters that have another value for a range of steps."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import require
from pathjax.core.types import Batch, Dynamics, Ensemble, Floats, State


def windowed(dynamics: Dynamics, names: Sequence[str]) -> Dynamics:
    """Returns the same dynamics, in which hyperparameters take another value in a window of steps of each member.

    Each name "h" adds three hyperparameters, "h/from", "h/until" and "h/value": from step "h/from" until before step
    "h/until", h has the value "h/value"; otherwise it is unchanged. With a strength that is 0 outside the window, this
    switches a regularizer or label smoothing on for a while. `with_window` sets each member's window.

    Args:
        dynamics: see `training_dynamics`.
        names: names of hyperparameters.

    Returns:
        Dynamics with three more hyperparameters for each name.

    Raises:
        InputError: for dynamics with interventions and, at `init`, if hyperparameters are missing.

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
    order = "apply windows before interventions: intervened(windowed(dynamics, names), interventions)"
    require(not dynamics.interventions, order)

    def init(params, hparams):
        for name in names:
            parts = (name, *(f"{name}/{what}" for what in ("from", "until", "value")))
            missing = [part for part in parts if part not in hparams]
            require(not missing, f"missing hyperparameters {', '.join(missing)}: a window of '{name}' needs {parts}")
        return dynamics.init(params, hparams)

    def step(state: State, batch: Batch):
        h = state.hparams
        now = {name: jnp.where(_open(h, name, state.step), h[f"{name}/value"], h[name]) for name in names}
        after, info = dynamics.step(state._replace(hparams=h | now), batch)
        return after._replace(hparams=after.hparams | {name: h[name] for name in names}), info

    return Dynamics(init, step)


def _open(hparams: dict, name: str, step):
    return (hparams[f"{name}/from"] <= step) & (step < hparams[f"{name}/until"])


def with_window(
    ensemble: Ensemble, name: str, starts: Floats | float, ends: Floats | float, values: Floats | float
) -> Ensemble:
    """Returns the same ensemble with a window for each of its M members, or one window for all.

    Args:
        ensemble: made with dynamics in which `name` is `windowed`.
        name: name of the hyperparameter.
        starts: steps (M,) at which the window opens; a window that starts where it ends never opens.
        ends: steps (M,) at which the window closes.
        values: values (M,) inside the window.

    Returns:
        The Ensemble, with the windows in its hyperparameters.

    Raises:
        InputError: if the hyperparameter has no window, shapes do not match, or a value is not finite.

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
        require(leaf in hparams, f"'{name}' has no window; make the ensemble with windowed(dynamics, ['{name}'])")
        own = np.asarray(given)
        fits = own.shape in ((), (num,)) and bool(np.isfinite(own).all())
        require(fits, f"{leaf} must be one finite number or {num}, not {own.tolist()} of shape {own.shape}")
        hparams[leaf] = jnp.broadcast_to(jnp.asarray(own, hparams[leaf].dtype), (num,))
    return ensemble._replace(state=ensemble.state._replace(hparams=hparams))
