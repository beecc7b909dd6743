"""Tangents pushed along the baseline, on the same batches, in the same compiled loop."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import Dynamics, Observable, PyTree, Snapshot, Transition, Variable
from pathjax.lyapunov.function_space import orthonormalize_outputs
from pathjax.tangents.propagate import advance, from_groups, random_tangents, split_moving, to_groups
from pathjax.tangents.qr import orthonormalize


def lyapunov(key: Key[Array, ""], dynamics: Dynamics, num_tangents: int = 1, *, every: int = 1) -> Observable:
    """Records the log-growth of `num_tangents` orthonormalized tangents: finite-time Lyapunov exponents times the time.

    Tangents of weights, optimizer state and model state are pushed by jvp, and replaced by Q of their QR factorization
    at every record, which holds log R_ii. The sum of a column over the records, divided by the number of steps, is the
    i-th exponent. Tangents start at random in the weights, with the other parts 0 (the scale of a second moment is far
    smaller, and a random displacement of it would count as growth); in all only if there are more tangents than
    weights.

    Records log_growth (tangent,): nats since the previous record (0 at step 0), in the order of the factorization, and
    tangent_collapse (): the smallest sine of the angle between a tangent and those before it, just before the
    orthonormalization (1 at step 0). Near rounding, directions have collapsed onto one another: choose a smaller
    `every`.

    Args:
        dynamics: the map that the rollout iterates.
        key: typed PRNG key of the random initial tangents.
        num_tangents: number of leading exponents.
        every: steps between orthonormalizations and records.

    Returns:
        An Observable of scope "baseline"; its records are arrays with the dimensions in brackets above, after
        (record,).

    Raises:
        InputError: for fewer than one tangent, or more than dimensions (when the loop starts).

    Source: Benettin et al., Meccanica 15 (1980).

    >>> import pathjax
    >>> lyapunov(jax.random.key(0), pathjax.map_dynamics(lambda x, batch: 2 * x), num_tangents=3).coords
    (('tangent', (0, 1, 2)),)
    """

    require(num_tangents >= 1, f"num_tangents must be 1 or more, not {num_tangents}")

    def init(snapshot: Snapshot):
        return _fresh(random_tangents(snapshot.data, snapshot.state, num_tangents))

    def read(carry, snapshot):
        carry, growth, collapse = _renewed(carry, orthonormalize)
        return carry, {"log_growth": growth, "tangent_collapse": collapse}

    variables = (
        Variable("log_growth", ("tangent",), "nats", "log-growth of the tangents since the record before"),
        Variable("tangent_collapse", (), "1", "least sine of the angle between a tangent and those before it"),
    )
    coords = (("tangent", tuple(range(num_tangents))),)
    return Observable(init, read, _pushing(dynamics), every, "baseline", variables, data=key, coords=coords)


def function_space_lyapunov(
    key: Key[Array, ""], dynamics: Dynamics, predict: Callable, probe: Array, num_tangents: int = 1, *, every: int = 1
) -> Observable:
    """Records the same as `lyapunov`, with tangents measured by their effect on outputs: |J_f t| in place of |t|.

    Records function_log_growth (function_tangent,) and function_collapse (), defined as in `lyapunov`; see
    `pathjax.function_space_spectrum`.

    Args:
        dynamics: the map that the rollout iterates.
        predict: `predict(params, inputs) -> outputs`.
        probe: inputs of the probe set.
        key, num_tangents, every: see `lyapunov`; there must not be more tangents than outputs.

    Returns:
        An Observable of scope "baseline"; its records are arrays with the dimensions in brackets above, after
        (record,).

    Raises:
        InputError: when traced, if there are more tangents than outputs, or the outputs are not floats.

    >>> import pathjax
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> function_space_lyapunov(jax.random.key(0), doubling, lambda w, x: x @ w, jnp.ones((3, 2))).every
    1
    """
    require(num_tangents >= 1, f"num_tangents must be 1 or more, not {num_tangents}")

    def init(snapshot: Snapshot):
        return _fresh(random_tangents(snapshot.data[1], snapshot.state, num_tangents))

    def read(carry, snapshot: Snapshot):
        def factorize(tangents):
            return orthonormalize_outputs(
                lambda s: bind(predict, s)(s.params, snapshot.data[0]), snapshot.state, tangents
            )

        carry, growth, collapse = _renewed(carry, factorize)
        return carry, {"function_log_growth": growth, "function_collapse": collapse}

    label = "log-growth of the tangents' change of the function since the record before"
    variables = (
        Variable("function_log_growth", ("function_tangent",), "nats", label),
        Variable("function_collapse", (), "1", "least share of a tangent that outputs see, and tell from the others"),
    )
    coords = (("function_tangent", tuple(range(num_tangents))),)
    return Observable(init, read, _pushing(dynamics), every, "baseline", variables, data=(probe, key), coords=coords)


def linear_response(dynamics: Dynamics, directions: PyTree, *, every: int = 1) -> Observable:
    """Records the linear-response prediction for members that start at `w + epsilon * direction`: epsilon |tangent(t)|.

    Each direction is pushed along the baseline by jvp (with the parts of optimizer and model state 0, as members
    start), and rescaled at every record to avoid overflow and underflow.

    Records tangent_norm (direction,): 2-norm of the tangent's weights. A member's distance divided by
    epsilon * tangent_norm is its linear-response ratio, which is 1 as long as linear response holds.

    Args:
        dynamics: the map that the rollout iterates.
        directions: see `pathjax.perturbation_directions`; like the params, with the directions on the leading axis.
        every: steps between records.

    Returns:
        An Observable of scope "baseline"; its records are arrays with the dimensions in brackets above, after
        (record,).

    >>> import pathjax
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> linear_response(doubling, jnp.eye(3)).coords
    (('direction', (0, 1, 2)),)
    """

    def init(snapshot: Snapshot):
        directions, _ = trees.split_floats(snapshot.data)
        num = len(jax.tree.leaves(directions)[0])
        moving, _ = split_moving(snapshot.state)
        at_rest = jax.tree.map(lambda leaf: jnp.zeros((num, *leaf.shape), leaf.dtype), moving)
        return to_groups(at_rest._replace(params=directions)), jnp.zeros(num)

    def read(carry, snapshot):
        groups, log_scale = carry
        tangents = from_groups(groups)
        norms = jax.vmap(trees.norm)(tangents)
        factor = jnp.where(norms > 0, norms, 1)
        log_scale = log_scale + jnp.log(factor)
        weights_norm = jax.vmap(trees.norm)(tangents.params) / factor * jnp.exp(log_scale)
        tangents = jax.vmap(lambda t, f: trees.scale(1 / f, t))(tangents, factor)
        return (to_groups(tangents), log_scale), {"tangent_norm": weights_norm}

    variables = (Variable("tangent_norm", ("direction",), "weight", "2-norm of the tangent's weights, per epsilon"),)
    num = len(jax.tree.leaves(directions)[0])
    coords = (("direction", tuple(range(num))),)
    return Observable(init, read, _pushing(dynamics), every, "baseline", variables, data=directions, coords=coords)


def _fresh(tangents: PyTree):
    """Returns the carry of tangents before the first record."""
    return to_groups(tangents), jnp.zeros((), bool)


def _renewed(carry, factorize: Callable):
    """Returns the carry with tangents orthonormalized, their log-growth and collapse; neither counts before a step."""
    groups, started = carry
    factors = factorize(from_groups(groups))
    growth = jnp.where(started, jnp.log(jnp.diagonal(factors.r)), 0)
    return (to_groups(factors.q), jnp.ones_like(started)), growth, jnp.where(started, factors.collapse, 1)


def _pushing(dynamics: Dynamics):
    """Returns an observable's `update` that pushes the tangents of a carry (tangents, ...)."""

    def update(carry, transition: Transition):
        def step(state):
            return dynamics.step(state, transition.batch)[0]

        return advance(step, transition.before, carry[0])[1], *carry[1:]

    return update
