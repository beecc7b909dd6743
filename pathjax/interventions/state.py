"""Interventions on a member's weights, optimizer state, model state, hyperparameters and noise."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import State
from pathjax.interventions.base import Intervention
from pathjax.interventions.epsilon_checks import between
from pathjax.perturbations import Perturbation


def of_weights(perturbation: Perturbation) -> Intervention:
    """Perturbs the weights by epsilon.

    Args:
        perturbation: see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when added to an ensemble with an epsilon outside the perturbation's range.

    >>> from pathjax.perturbations import gaussian
    >>> kick, state = of_weights(gaussian()), State(params=jnp.ones(100), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).params
    >>> f"{trees.norm(moved - state.params):.4f}"
    '0.5000'
    """

    return _of_part("params", perturbation)


def of_optimizer_state(perturbation: Perturbation) -> Intervention:
    """Perturbs the optimizer's floating-point state, such as momentum, as if it were weights.

    Adam and RMSProp also keep squares, which must not become negative: use `restricted(perturbation, "mu")`, or the
    optimizer's own name for its momentum.

    Args:
        perturbation: applied to the optimizer's float leaves as to weights; see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it happens to an optimizer without floating-point state.

    >>> from pathjax.perturbations import gaussian
    >>> kick = of_optimizer_state(gaussian())
    >>> state = State(params=jnp.ones(100), opt_state=jnp.zeros(100), hparams={}, step=0)
    >>> f"{trees.norm(kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).opt_state):.4f}"
    '0.5000'
    """

    return _of_part("opt_state", perturbation)


def of_model_state(perturbation: Perturbation) -> Intervention:
    """Perturbs the floating-point leaves of the model's state, such as running statistics, as if they were weights.

    Running variances must not become negative: use `restricted(perturbation, "mean")`, or the model's own name.

    Args:
        perturbation: applied to the state's float leaves as to weights; see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it happens to a model without floating-point state.

    >>> from pathjax.perturbations import gaussian
    >>> kick = of_model_state(gaussian())
    >>> state = State(params=(), opt_state=(), hparams={}, step=0, model_state=jnp.zeros(100))
    >>> f"{trees.norm(kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).model_state):.4f}"
    '0.5000'
    """

    return _of_part("model_state", perturbation)


def of_noise() -> Intervention:
    """Gives the member noise of its own from this step on, in place of the schedule's or its own. Takes no epsilon.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: when it happens in an ensemble without indices of noise; see `pathjax.with_noise`.

    >>> state = State(params=(), opt_state=(), hparams={}, step=0, noise=jnp.uint32(0))
    >>> bool(of_noise().on_state(jax.random.key(1), state, None, None).noise == 0)
    False
    """

    def on_state(key, state: State, batch, epsilon):
        has_noise = state.noise is not None
        require(has_noise, "members have no noise of their own: make the ensemble with pathjax.with_noise")
        return state._replace(noise=jax.random.bits(key, dtype=jnp.uint32) | 1)  # odd, so not 0, the schedule's

    return Intervention(on_state, None, ("noise",))


def of_hyperparameter(name: str) -> Intervention:
    """Multiplies a hyperparameter by 1 + epsilon, from that step on.

    Args:
        name: name of the leaf in `state.hparams`.

    Returns:
        An Intervention; epsilon is the relative change.

    Raises:
        InputError: when it happens to a state without this hyperparameter.

    >>> state = State(params=(), opt_state=(), hparams={"learning_rate": jnp.float32(0.5)}, step=0)
    >>> of_hyperparameter("learning_rate").on_state(None, state, None, 0.5).hparams
    {'learning_rate': Array(0.75, dtype=float32)}
    """

    def on_state(key, state: State, batch, epsilon):
        names = ", ".join(state.hparams) or "none"
        require(name in state.hparams, f"unknown hyperparameter '{name}'; choose one of: {names}")
        changed = state.hparams[name] * (1 + epsilon)
        return state._replace(hparams=state.hparams | {name: changed.astype(state.hparams[name].dtype)})

    return Intervention(on_state, None, ("hparams",))


def _of_part(part: str, perturbation: Perturbation) -> Intervention:
    """Perturbs one part of the state."""

    def on_state(key, state: State, batch, epsilon):
        tree = getattr(state, part)
        floats = jax.tree.leaves(trees.split_floats(tree)[0])
        require(bool(floats), f"nothing to perturb: {part} has no floating-point leaves")
        epsilon = jnp.asarray(epsilon, jnp.promote_types(trees.float_type(tree), jnp.float32))
        return state._replace(**{part: perturbation.apply(tree, perturbation.direction(key, tree), epsilon)})

    return Intervention(on_state, None, (part,), between(-perturbation.max_epsilon, perturbation.max_epsilon))
