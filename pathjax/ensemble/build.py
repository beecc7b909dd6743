"""Builds an ensemble: a baseline, two controls and the perturbed members, with their labels."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.blocks import map_in_blocks
from pathjax.core.errors import require, require_count
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.function_equality import Function, by_value
from pathjax.core.networks import as_network, weights_of
from pathjax.core.types import Dynamics, Ensemble, Floats, Members, Network, PyTree
from pathjax.ensemble.labels import same_members
from pathjax.perturbations import Perturbation, check_epsilons, one_ulp, perturbation_directions
from pathjax.training.hyperparameters import as_hyperparameter, as_hyperparameters
from pathjax.training.network_checks import check_arrays

CONTROLS = ("baseline", "replica", "roundoff")


def perturbed_ensemble(
    key: Key[Array, ""],
    dynamics: Dynamics,
    params: PyTree,
    perturbation: Perturbation,
    *,
    epsilons: Floats,
    num_seeds: int,
    hparams: dict | None = None,
    independent: PyTree | None = None,
) -> Ensemble:
    """Builds a baseline, a replica, a roundoff member, and one perturbed member for each epsilon and direction.

    Members are, in order: the baseline (`params`); a replica (identical, so its distance must stay exactly 0); a
    roundoff member (one weight moved by one ulp: the floor below which distances are meaningless); then the perturbed
    members, epsilon by epsilon. Seed s has the same direction at every epsilon, and adding members changes no other.

    Args:
        key: typed PRNG key of the directions; `perturbation_directions` with the same key returns their tangents.
        dynamics: initializes each member's optimizer state.
        params: the baseline's weights, or a `pathjax.Network` if the model has a state, of which each member gets a
            copy. Only weights are perturbed.
        perturbation: see `pathjax.perturbations`.
        epsilons: sizes of the perturbation, in its units; [] for no perturbed members.
        num_seeds: number of directions.
        hparams: hyperparameters by name, scalars; the same for every member.
        independent: weights, or a `Network`, of networks initialized independently of the baseline, with a leading
            axis. They become the last members, and show the distance between unrelated networks.

    Returns:
        An Ensemble of 3 + epsilons * num_seeds members, plus the independent ones.

    Raises:
        InputError: if an epsilon is out of the perturbation's range, num_seeds is below 1, weights are not
            finite, or the shapes of the independent networks differ from the baseline's.

    >>> import optax, pathjax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> params, key = jnp.ones(100), jax.random.key(0)
    >>> ensemble = perturbed_ensemble(key, dynamics, params, pathjax.on_sphere(), epsilons=[0.01, 0.1], num_seeds=2)
    >>> ensemble.state.params.shape, [str(role) for role in ensemble.members.role[:4]]
    ((7, 100), ['baseline', 'replica', 'roundoff', 'perturbed'])
    """
    require_count("num_seeds", num_seeds, 1)
    if np.size(epsilons) or np.ndim(epsilons) != 1:  # an empty list is none
        check_epsilons(perturbation, epsilons)
    network = arrays_of(as_network(params))
    others = _none_of(network) if independent is None else _like(network, arrays_of(as_network(independent)))
    eps, seeds = (a.ravel() for a in np.meshgrid(epsilons, range(num_seeds), indexing="ij"))
    eps_as_weights = eps.astype(jnp.promote_types(trees.float_type(network.params), jnp.float32))
    # Once traced, numbers lose their weak types.
    hparams = as_hyperparameters(hparams or {}, network.params)
    # In a program of its own, whose bits no other part can change.
    tangents = perturbation_directions(key, perturbation, network.params, num_seeds)
    arrays = (tangents, network, one_ulp(network.params), hparams, eps_as_weights, seeds.astype(np.int32), others)
    state, distances, lengths = _members(Function(dynamics.init), by_value(perturbation), *arrays)
    _check_distances(eps, np.asarray(distances, np.float64), np.asarray(lengths, np.float64)[seeds])
    return Ensemble(state, _labels(eps, seeds, _num_rows(others.params)))


def arrays_of(network: Network) -> Network:
    """Returns the leaves of a network as arrays.

    Raises:
        InputError: if weights are NaN or infinite.

    >>> arrays_of(Network({"w": 1.0}))
    Network
      params:
        w: float32[]: 1
    """
    check_arrays(network)
    for name, leaf in zip(trees.leaf_names(network.params), jax.tree.leaves(network.params), strict=True):
        library = np if isinstance(leaf, np.ndarray) else jnp
        is_finite = not trees.is_float(leaf) or bool(library.isfinite(leaf).all())
        what = f"the weights '{name or 'params'}'"
        require(is_finite, f"{what} contain NaN or infinite values: initialize the model again")
    with np.errstate(over="ignore", under="ignore"):
        converted = jax.tree.map(jnp.asarray, network)
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(network), jax.tree.leaves(converted), strict=True):
        if isinstance(old, np.ndarray) and old.dtype != new.dtype:
            _check_kept(jax.tree_util.keystr(path, simple=True, separator="/"), old, np.asarray(new))
    return converted


def _check_kept(name: str, old: np.ndarray, new: np.ndarray) -> None:
    """Checks that a cast, of NumPy's 64 bits to 32, changes floats by rounding alone and integers not at all."""
    is_float = np.issubdtype(old.dtype, np.floating)
    kept = np.isfinite(new) & ((new != 0) == (old != 0)) if is_float else new == old
    message = f"'{name}' has values that {new.dtype} cannot hold: enable 64 bits (jax.enable_x64), or rescale them"
    require(bool(np.all(kept)), message)


def _none_of(network: Network) -> Network:
    return jax.tree.map(lambda leaf: leaf[None][:0], network)


def _num_rows(tree: PyTree) -> int:
    return len(jax.tree.leaves(tree)[0])


def _like(network: Network, independent: Network) -> Network:
    """Checks the independent networks: each leaf has one more leading axis than the baseline's."""
    require(
        trees.leaf_names(independent) == trees.leaf_names(network),
        "independent networks must have the same leaves as the baseline; stack weights of the same model",
    )
    want, given = ([jnp.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (network, independent))
    num = given[0][0] if given[0] else 0
    for own, shape in zip(want, given, strict=True):
        require(
            shape == (num, *own),
            f"independent networks have a leaf of shape {shape}; expected (networks, *{own}), as "
            "`pathjax.core.trees.stack` returns it",
        )
    types = ([jnp.result_type(leaf) for leaf in jax.tree.leaves(tree)] for tree in (network, independent))
    for own, other in zip(*types, strict=True):
        require(own == other, f"independent networks have a leaf of type {other}; expected {own}, as the baseline's")
    return independent


def sweep(dynamics: Dynamics, ensemble: Ensemble, settings: Sequence[dict]) -> Ensemble:
    """Repeats the members, with the same weights, for each setting of the hyperparameters.

    `rollout` takes the result like an ensemble, and runs all settings in one program, distributed over the devices of
    its mesh. Records and the final state have an axis of settings: (time, setting, member, ...), (setting, member,
    ...).

    Args:
        dynamics: initializes each member's optimizer state.
        ensemble: see `perturbed_ensemble`.
        settings: one dict of hyperparameters by name for each setting; others keep their values in the ensemble.

    Returns:
        An Ensemble whose state has a leading axis of settings, before the member axis.

    Raises:
        InputError: if `settings` is empty, its items name different hyperparameters, or the ensemble
            lacks one of these.

    >>> import optax, pathjax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"]))
    >>> params, key = jnp.ones(100), jax.random.key(0)
    >>> one = {"epsilons": [0.1], "num_seeds": 1, "hparams": {"learning_rate": 0.1}}
    >>> ensemble = perturbed_ensemble(key, dynamics, params, pathjax.on_sphere(), **one)
    >>> sweep(dynamics, ensemble, [{"learning_rate": rate} for rate in (0.1, 0.2, 0.3)]).state.params.shape
    (3, 4, 100)
    """
    is_list = isinstance(settings, (list, tuple)) and all(isinstance(one, dict) for one in settings)
    expected = "a list of dicts, such as [{'learning_rate': 0.1}, {'learning_rate': 0.2}]"
    require(is_list, f"settings must be {expected}, not {settings!r}")
    require(len(settings) > 0, "settings is empty; give at least one setting")
    trained = "the ensemble is at step {}: a sweep starts its optimizers anew, so make it before training"
    at = int(np.max(np.asarray(ensemble.state.step)))
    require(at == 0, trained.format(at))
    names = [sorted(setting) for setting in settings]
    differing = next((other for other in names if other != names[0]), names[0])
    require(differing == names[0], f"all settings must have the same hyperparameters, not {names[0]} and {differing}")
    known = ensemble.state.hparams
    for name in names[0]:
        unknown = f"the ensemble has no hyperparameter '{name}' to sweep; choose one of: {', '.join(known) or 'none'}"
        require(name in known, unknown)
        own = np.asarray(known[name])
        differ = f"members differ in '{name}' (arms, say), which a sweep over it would erase: sweep another one"
        require(bool((own == own[0]).all()), differ)
    shape = (len(settings), len(ensemble.members.role))
    hparams = {name: jnp.broadcast_to(values[None], shape) for name, values in known.items()}
    for name in names[0]:
        values = [as_hyperparameter(name, setting[name], known[name].dtype) for setting in settings]
        hparams[name] = jnp.broadcast_to(jnp.stack(values)[:, None], shape)
    init = jax.vmap(jax.vmap(dynamics.init), in_axes=(None, 0), axis_size=len(settings))
    state = jax.jit(init)(weights_of(ensemble.state), hparams)
    # The optimizer starts anew for each setting; everything else that a member carries is the same for all.
    others = ("interventions", "model_state", "noise", "schedule")
    same = {name: _repeated(getattr(ensemble.state, name), len(settings)) for name in others}
    return Ensemble(state._replace(**same), ensemble.members)


def _repeated(tree: PyTree, num: int) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[None], (num, *leaf.shape)), tree)


def stack_ensembles(ensembles: Sequence[Ensemble]) -> Ensemble:
    """Stacks ensembles that start differently (from other weights, say) as the settings of one sweep; see `sweep`.

    Args:
        ensembles: ensembles with the same members and shapes.

    Returns:
        An Ensemble whose state has an additional leading axis of settings.

    Raises:
        InputError: if `ensembles` is empty, or their members differ.

    >>> import optax, pathjax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> starts, made = jnp.array([[1.0] * 100, [2.0] * 100]), {"epsilons": [0.1], "num_seeds": 1}
    >>> each = [perturbed_ensemble(jax.random.key(0), dynamics, w, pathjax.on_sphere(), **made) for w in starts]
    >>> stack_ensembles(each).state.params.shape
    (2, 4, 100)
    """
    require(len(ensembles) > 0, "ensembles is empty; give at least one")
    first = ensembles[0]
    for other in ensembles[1:]:
        same = same_members(first.members, other.members)
        require(same, "stacked ensembles must have the same members: roles, epsilons, seeds, steps and labels")
        alike: list = [jax.tree.structure(one.state) for one in (first, other)]
        hint = "hyperparameters, interventions, model state and noise (pathjax.with_noise(ensemble, shared=True))"
        require(alike[0] == alike[1], f"stacked ensembles must have the same kinds of state: {hint}")
    return first._replace(state=trees.stack([one.state for one in ensembles]))


@functools.partial(jit_fast_compile, static_argnames=("init", "perturbation"))
def _members(init, perturbation: Perturbation, tangents, network, moved_by_ulp, hparams, epsilons, seeds, others):
    """Returns the members' states, the perturbed members' distances to the baseline, and all directions' norms."""
    params = network.params

    def perturbed(shared, row):
        (params, tangents), (epsilon, seed) = shared, row
        # A barrier, or the compiler would split the work by the size of all tangents, and round by it.
        tangent = jax.lax.optimization_barrier(trees.index(tangents, seed))
        moved = jax.lax.optimization_barrier(perturbation.apply(params, tangent, epsilon))
        ends = (trees.wide(trees.split_floats(tree)[0]) for tree in (moved, params))
        return moved, trees.safe_norm(trees.subtract(*ends))

    moved, distances = map_in_blocks(perturbed, (params, tangents), (epsilons, seeds))
    controls = trees.stack([params, params, moved_by_ulp])
    members = jax.tree.map(lambda *parts: jnp.concatenate(parts), controls, moved, others.params)
    num = len(CONTROLS) + len(epsilons)
    state = jax.tree.map(lambda own, more: _append(own, num, more), network.model_state, others.model_state)
    lengths = jax.vmap(trees.safe_norm)(tangents)
    return jax.vmap(lambda *own: init(weights_of(Network(*own)), hparams))(members, state), distances, lengths


def _append(leaf, num: int, others):
    return jnp.concatenate([jnp.broadcast_to(leaf[None], (num, *leaf.shape)), others])


def _check_distances(epsilons, distances, lengths) -> None:
    """Raises InputError if a perturbation was lost in rounding, overflowed, or has nothing to move."""
    for epsilon, got, want in zip(epsilons, distances, epsilons * lengths, strict=True):
        require(
            want > 0,
            "the perturbation has no direction: each leaf is zero or, on its sphere, one number; choose another kind",
        )
        require(
            abs(got / want - 1) < 0.1,
            f"epsilon {epsilon:g} moved the weights by {got:.3g} instead of {want:.3g}: "
            "in this floating-point type it is lost in rounding or overflows; choose another epsilon",
        )


def _labels(epsilons: np.ndarray, seeds: np.ndarray, num_independent: int) -> Members:
    num = len(CONTROLS)
    return Members(
        role=np.array([*CONTROLS, *["perturbed"] * len(epsilons), *["independent"] * num_independent]),
        epsilon=np.concatenate([np.zeros(num), epsilons, np.zeros(num_independent)]),
        seed=np.concatenate([np.full(num, -1), seeds, np.full(num_independent, -1)]).astype(np.int32),
    )
