"""The empirical neural tangent kernel: how a step along one example's gradient changes the outputs for another."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network, bind
from pathjax.core.types import AnyArray, PyTree

# Maximum bytes of gradients held simultaneously (at least two examples' are): small enough for a GPU that also trains.
BLOCK_BYTES = 2**27


def empirical_ntk(
    predict: Callable, params: PyTree, inputs: Shaped[AnyArray, "n ..."], factors: PyTree = None
) -> Float[Array, "n n"]:
    """Computes the tangent kernel of a network on n inputs, averaged over the C outputs:

        Theta(x, x') = 1/C sum_c sum_l r_l <df_c(x)/dw_l, df_c(x')/dw_l>, in output^2 / weight^2,

    with w_l the float leaves of the weights and r_l their factors. Each input is evaluated separately, as a batch of
    one. Memory holds the gradients of one output for one block of inputs at a time; they are contracted in at least
    float32, in full precision. Under `vmap`, networks run one after the other: this needs the memory of one network,
    and takes the same time.

    Args:
        predict: `predict(params, inputs) -> outputs`, shapes (n, ...) to (n, ...), e.g. logits; for a model with a
            state `predict(params, model_state, inputs)`.
        params: weights; leaves that are not floats are constants. For a model with a state a `pathjax.Network`.
        inputs: n examples; the cost is proportional to n^2 C and the number of weights.
        factors: a scalar for each leaf of `params`, as a pytree of the same structure: the leaves' relative learning
            rates. None: all 1. Leaves that are not floats need a factor too, which is ignored.

    Raises:
        InputError: if the factors have another structure, inputs is empty, or `predict` drops the examples' axis.

    Source: Jacot et al. 2018; computed by "Jacobian contraction" (Novak et al. 2022).

    >>> empirical_ntk(lambda w, x: x @ w, jnp.ones((2, 3)), jnp.array([[1.0, 0.0], [2.0, 1.0]]))
    Array([[1., 2.],
           [2., 5.]], dtype=float32)
    """
    return _one_by_one(_kernel, predict, params, inputs, factors)


def kernel_diagonal(
    predict: Callable, params: PyTree, inputs: Shaped[AnyArray, "n ..."], factors: PyTree = None
) -> Float[Array, " n"]:
    """Computes the diagonal of `empirical_ntk`, the mean squared gradients of the outputs, at a cost proportional to n.

    Args, Raises: see `empirical_ntk`.

    >>> kernel_diagonal(lambda w, x: x @ w, jnp.ones((2, 3)), jnp.array([[1.0, 0.0], [2.0, 1.0]]))
    Array([1., 5.], dtype=float32)
    """
    return _one_by_one(_diagonal, predict, params, inputs, factors)


def weighted_square(tree: PyTree, factors: PyTree, params: PyTree) -> Float[Array, ""]:
    """Computes sum_l r_l |g_l|^2 of a gradient g over the float leaves of `params`, in at least float32.

    >>> float(weighted_square({"w": jnp.ones(3)}, {"w": 2.0}, {"w": jnp.zeros(3)}))
    6.0
    """
    leaves, rates = jax.tree.leaves(tree), factors_of_leaves(params, factors)
    of_leaf = (rate * jnp.sum(_promoted(leaf) ** 2) for leaf, rate in zip(leaves, rates, strict=True))
    return sum(of_leaf, jnp.zeros((), _result_type(params)))


def factors_of_leaves(params: PyTree, factors: PyTree) -> list:
    """Returns the factors of the float leaves, in leaf order.

    >>> factors_of_leaves({"count": 3, "w": 1.5}, {"count": 1.0, "w": 0.1})
    [0.1]
    """
    kinds = [trees.is_float(leaf) for leaf in jax.tree.leaves(params)]
    if factors is None:
        return [1.0] * sum(kinds)
    own, given = trees.leaf_names(params), trees.leaf_names(factors)
    hint = f"factors have the leaves {', '.join(given)}: give a scalar for each leaf of the weights: {', '.join(own)}"
    require(own == given and all(jnp.ndim(factor) == 0 for factor in jax.tree.leaves(factors)), hint)
    return [factor for factor, is_float in zip(jax.tree.leaves(factors), kinds, strict=True) if is_float]


def _one_by_one(fn: Callable, predict: Callable, params: PyTree, inputs, factors: PyTree):
    require(len(inputs) > 0, "inputs is empty: give at least one example")
    network = as_network(params)

    def of_one(network, inputs, rates):
        return fn(bind(predict, network), network.params, inputs, rates)

    rates = tuple(factors_of_leaves(network.params, factors))
    return jax.custom_batching.sequential_vmap(of_one)(network, inputs, rates)


def _kernel(predict, params, inputs, rates):
    gradients, num_outputs = _gradients(predict, params, inputs)
    num, block = len(inputs), _block_length(params, len(inputs))
    num_blocks = math.ceil(num / block)

    def between(a, b):
        """The kernel between two blocks of inputs, summed output by output."""

        def add(total, output):
            left = gradients(a, output)
            right = left if a is b else gradients(b, output)
            return total + _products(left, right, rates), None

        start = jnp.zeros((len(a), len(b)), _result_type(params))
        return jax.lax.scan(add, start, jnp.arange(num_outputs))[0] / num_outputs

    if num_blocks == 1:
        return between(inputs, inputs)
    blocks = _in_blocks(inputs, num_blocks, block)
    rows, columns = (jnp.array(side) for side in zip(*_pairs(num_blocks), strict=True))
    parts = jax.lax.map(lambda pair: between(blocks[pair[0]], blocks[pair[1]]), (rows, columns))
    kernel = jnp.zeros((num_blocks, num_blocks, block, block), parts.dtype)
    # Diagonal blocks are symmetric, so setting them again to their transpose changes nothing.
    kernel = kernel.at[rows, columns].set(parts).at[columns, rows].set(jnp.swapaxes(parts, 1, 2))
    return jnp.swapaxes(kernel, 1, 2).reshape(num_blocks * block, -1)[:num, :num]


def _diagonal(predict, params, inputs, rates):
    gradients, num_outputs = _gradients(predict, params, inputs)
    num, block = len(inputs), _block_length(params, len(inputs))
    num_blocks = math.ceil(num / block)

    def of_block(some):
        def add(total, output):
            return total + _squares(gradients(some, output), rates), None

        return jax.lax.scan(add, jnp.zeros(block, _result_type(params)), jnp.arange(num_outputs))[0] / num_outputs

    return jax.lax.map(of_block, _in_blocks(inputs, num_blocks, block)).reshape(-1)[:num]


def _gradients(predict, params, inputs) -> tuple[Callable, int]:
    """`gradients(inputs, c)`, gradients of output c at each input by the float leaves, and the number of outputs."""
    floats, others = trees.split_floats(params)

    def outputs(weights, example):
        found = predict(trees.merge(weights, others), example[None])
        shape = jnp.shape(found)
        require(
            len(shape) > 0 and shape[0] == 1,
            f"`predict` returned shape {shape} for one example: expected (1, ...), outputs with the examples' axis",
        )
        return jnp.ravel(found)

    def gradients(some, output):
        return jax.vmap(lambda example: jax.grad(lambda w: outputs(w, example)[output])(floats))(some)

    return gradients, jax.eval_shape(outputs, floats, inputs[0]).size


def _block_length(params: PyTree, num: int) -> int:
    """Inputs per block: the gradients of two blocks fit into BLOCK_BYTES, and all blocks have about the same length."""
    of_one = max(1, trees.num_bytes(jax.eval_shape(lambda: trees.split_floats(params)[0])))
    if num * of_one <= BLOCK_BYTES:
        return num
    longest = max(1, BLOCK_BYTES // (2 * of_one))
    return math.ceil(num / math.ceil(num / longest))


def _in_blocks(inputs, num_blocks: int, block: int):
    """Blocks of inputs, the last one padded with copies of the last input."""
    places = jnp.minimum(jnp.arange(num_blocks * block), len(inputs) - 1)
    return inputs[places].reshape(num_blocks, block, *inputs.shape[1:])


def _pairs(num: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(num) for j in range(i, num)]


def _products(left: PyTree, right: PyTree, rates):
    """Inner products of all pairs, leaf by leaf: concatenating the leaves to one vector would copy them."""

    def one(a, b):
        a, b = (_promoted(leaf).reshape(len(leaf), -1) for leaf in (a, b))
        return jnp.matmul(a, b.T, precision="highest")

    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), rates, strict=True)
    return sum(rate * one(a, b) for a, b, rate in pairs)


def _squares(gradients: PyTree, rates):
    pairs = zip(jax.tree.leaves(gradients), rates, strict=True)
    return sum(rate * jnp.sum(_promoted(leaf).reshape(len(leaf), -1) ** 2, 1) for leaf, rate in pairs)


def _promoted(leaf):
    return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def _result_type(params: PyTree):
    return jnp.promote_types(trees.float_type(params), jnp.float32)
