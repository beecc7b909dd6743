"""The tangent map: the derivative of a step propagates infinitesimal displacements of the state.

Tangents inside the training loop and spectra of any step function share this code.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree, State

Select = Callable[[str], bool]
Groups = tuple[PyTree, ...]
LARGE, MAX_GROUPS = 10_000, 16


def split_moving(state: PyTree, select: Select | None = None) -> tuple[PyTree, PyTree]:
    """Splits a state into the leaves that carry tangents and the rest, each with None in place of the other's leaves.

    Args:
        state: any pytree; only its float leaves can carry tangents.
        select: a predicate on leaf names (as in `trees.leaf_names`: "params/Dense_0/kernel") that chooses float leaves.
            By default all float leaves carry tangents; in a `State`, those of the weights, the optimizer and the
            model's state.

    >>> state = State(params={"w": 1.5}, opt_state=(3, 0.5), hparams={"learning_rate": 0.1}, step=0)
    >>> split_moving(state)[0][:4]
    ({'w': 1.5}, (None, 0.5), {'learning_rate': None}, None)
    >>> split_moving(state, lambda name: name.startswith("params"))[0].opt_state
    (None, None)
    """
    chosen = select or _default_select(state)
    return trees.split(state, lambda name, leaf: trees.is_float(leaf) and chosen(name))


def _default_select(state: PyTree) -> Select:
    if isinstance(state, State):
        return lambda name: name.split("/")[0] in ("params", "opt_state", "model_state")
    return lambda name: True


def advance(
    step_fn: Callable[[PyTree], PyTree], state: PyTree, groups: Groups, select: Select | None = None
) -> tuple[PyTree, Groups]:
    """Advances the state by one step and its tangents by t -> J t, with J the derivative of the step at the state.

    Args:
        step_fn: a pure function from state to state.
        state: where the derivative is taken; one state, without a member axis.
        groups: tangents, see `to_groups`.
        select: see `split_moving`. Leaves that are not selected are constants for the derivative.

    >>> advance(lambda x: 3 * x, jnp.ones(2), (jnp.eye(2),))[1]
    (Array([[3., 0.],
           [0., 3.]], dtype=float32),)
    """
    moving, rest = split_moving(state, select)

    def step(moving):
        return split_moving(step_fn(trees.merge(moving, rest)), select)

    moving, push, rest = jax.linearize(step, moving, has_aux=True)
    return trees.merge(moving, rest), tuple(_push(push, group) for group in groups)


def _push(push: Callable, group: PyTree) -> PyTree:
    if len(jax.tree.leaves(group)[0]) > 1:
        return jax.vmap(push)(group)
    return jax.tree.map(lambda leaf: leaf[None], push(trees.index(group, 0)))


def to_groups(tangents: PyTree, chunk: int | None = None) -> Groups:
    """Cuts tangents on the leading axis into groups of `chunk`, which are pushed one group after another.

    By default all tangents form one group. Only on a CPU, up to 16 large tangents are pushed one by one, because XLA
    makes transposed copies for batched matrix products, which cost as much as the products (docs/performance.md).
    Smaller groups need less memory but more compilation: each group is compiled.

    >>> [len(group) for group in to_groups(jnp.eye(5), 2)]
    [2, 2, 1]
    """
    k = len(jax.tree.leaves(tangents)[0])
    if chunk is None:
        large = jax.default_backend() == "cpu" and trees.num_elements(tangents) >= LARGE * k
        chunk = 1 if large and k <= MAX_GROUPS else k
    return tuple(jax.tree.map(lambda leaf, i=i: leaf[i : i + chunk], tangents) for i in range(0, k, chunk))


def from_groups(groups: Groups) -> PyTree:
    """Undoes `to_groups`.

    >>> from_groups((jnp.eye(5)[:2], jnp.eye(5)[2:])).shape
    (5, 5)
    """
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *groups) if len(groups) > 1 else groups[0]


def random_tangents(key: Key[Array, ""], state: PyTree, k: int, select: Select | None = None) -> PyTree:
    """Draws k independent normal tangents on a new leading axis, not orthonormalized.

    In a `State` only the weights' part is not 0 unless k exceeds the number of weights: Adam's second moment is orders
    of magnitude smaller than the weights, and a random displacement of it would count as growth of many nats.

    Raises:
        InputError: if no leaf carries tangents, or k is not between 1 and the number of dimensions.

    >>> random_tangents(jax.random.key(0), {"w": jnp.ones(3), "count": 0}, 2)["w"].shape
    (2, 3)
    """
    moving, _ = split_moving(state, select)
    num_dims = trees.num_elements(moving)
    names = ", ".join(trees.leaf_names(trees.split_floats(state)[0])) or "none"
    require(num_dims > 0, f"no leaf carries tangents: select at least one of the state's float leaves ({names})")
    require(1 <= k <= num_dims, f"{k} tangents do not fit a state of {num_dims} dimensions: choose 1 to {num_dims}")
    at_rest = isinstance(state, State) and k <= trees.num_elements(moving.params)

    def draw(key):
        drawn = trees.random_normal_like(key, moving)
        return trees.scale(0, moving)._replace(params=drawn.params) if at_rest else drawn

    return jax.vmap(draw)(jax.random.split(key, k))
