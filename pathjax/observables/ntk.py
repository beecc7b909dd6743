"""How the tangent kernel moves in training: from what it was, towards the labels, and away from the baseline's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import AnyArray, Observable, PyTree, Snapshot, Variable
from pathjax.measures.ntk import empirical_ntk
from pathjax.observables.cka import gram_direction


def tangent_kernel(
    predict: Callable,
    inputs: Shaped[AnyArray, "n ..."],
    labels: Shaped[AnyArray, "n ..."],
    *,
    every: int = 1,
    factors: PyTree = None,
) -> Observable:
    """The empirical neural tangent kernel Theta of each member on n examples (`pathjax.measures.ntk.empirical_ntk`).

    Records, with Frobenius norms and Theta_1 the member's own kernel at the first record:
        kernel_norm (): |Theta|, in output^2 / weight^2
        kernel_drift (): |Theta - Theta_1| / |Theta_1|, exactly 0 at first; lazy training keeps it near 0
        kernel_drift_angle (): the angle between both in radians: what a scale does not explain; exactly 0 at first
        kernel_label_alignment (): <K, G> / (|K| |G|) with K and G the kernel and the labels' Gram matrix Y Y^T, both
            centered over examples; from -1 to 1 (0 or more, as both are positive). NaN where one of them is constant
        kernel_distance (): |Theta - Theta_0| / |Theta_0| with Theta_0 the baseline's at the same step. As that is
            evaluated by itself, and so rounded otherwise, it is set to 0 where all weights are the baseline's to the
            bit: the replica's is exactly 0 as long as its weights are, and another member's at least rounding

    Each example is evaluated by itself, as in `classification`, and each member by itself: a record takes the time of
    one member's kernel times their number, and the memory of one.

    Args:
        predict: `predict(params, inputs) -> outputs`, shapes (n, ...) to (n, ...): logits, say.
        inputs: n examples; n^2 numbers are kept of each member.
        labels: int[n], classes (Y is one-hot: of how many classes does not matter), or float[n, ...], targets.
        every: steps between records.
        factors: relative learning rates of the leaves, see `empirical_ntk`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if there are not as many labels as inputs, or fewer than two.

    Source: centered alignment, Cortes et al. 2012; of tangent kernels in training, Baratin et al. 2021; their drift,
    Fort et al. 2020.

    >>> examples = jnp.zeros((4, 3)), jnp.array([0, 0, 1, 1])
    >>> [v.name for v in tangent_kernel(lambda w, x: x @ w, *examples).variables][:2]
    ['kernel_norm', 'kernel_drift']
    """
    check_labels(inputs, labels)
    num = len(inputs)

    def kernel(params, data):
        return empirical_ntk(predict, params, data[0], data[2])

    def init(snapshot: Snapshot):
        kind = jnp.promote_types(trees.float_type(snapshot.state.params), jnp.float32)
        return jnp.array(True), jnp.zeros((num, num), kind)

    def reference(baseline, data):
        return kernel(baseline.params, data)

    def read(carry, snapshot):
        is_first, first = carry
        now = kernel(snapshot.state.params, snapshot.data)
        first = jnp.where(is_first, now, first)
        record = compare(now, first, snapshot.reference, snapshot.data[1])
        is_baseline = same_weights(snapshot.state.params, snapshot.baseline.params)
        record["kernel_distance"] = jnp.where(is_baseline, 0, record["kernel_distance"])
        return (jnp.array(False), first), record

    variables = (
        Variable("kernel_norm", (), "output^2/weight^2", "Frobenius norm of the tangent kernel"),
        Variable("kernel_drift", (), "1", "distance of the tangent kernel from the first, relative to the first"),
        Variable("kernel_drift_angle", (), "rad", "angle between the tangent kernel and the first"),
        Variable("kernel_label_alignment", (), "1", "centred alignment of the tangent kernel with the labels"),
        Variable("kernel_distance", (), "1", "distance of the tangent kernel from the baseline's, relative to that"),
    )
    data = (inputs, label_gram(labels), factors)
    return Observable(init, read, None, every, "member", variables, data, reference=reference)


def compare(
    now: Float[Array, "n n"], first: Float[Array, "n n"], others: Float[Array, "n n"], labels: Float[Array, "n n"]
) -> dict[str, Array]:
    """What is recorded of a kernel, given the first, the baseline's, and the labels' (from `label_gram`).

    >>> one = jnp.eye(2)
    >>> {name: float(value) for name, value in compare(2 * one, one, 2 * one, one).items() if "drift" in name}
    {'kernel_drift': 1.0, 'kernel_drift_angle': 0.0}
    """
    own = centered(now)
    size = trees.norm(own)
    # A kernel that is the same everywhere is left with rounding alone.
    is_known = size > jnp.finfo(now.dtype).eps * trees.norm(now)
    alignment = jnp.sum(own / size * labels.astype(now.dtype)) / trees.norm(labels.astype(now.dtype))
    return {
        "kernel_norm": trees.norm(now),
        "kernel_drift": trees.norm(now - first) / trees.norm(first),
        # Two norms of one array need not be rounded alike.
        "kernel_drift_angle": jnp.where(jnp.all(now == first), 0, trees.angle(now, first)),
        "kernel_label_alignment": jnp.where(is_known, alignment, jnp.nan),
        "kernel_distance": trees.norm(now - others) / trees.norm(others),
    }


def same_weights(a: PyTree, b: PyTree) -> Array:
    """Whether all float leaves are the same to the bit; NaN is not.

    >>> bool(same_weights({"w": jnp.ones(2)}, {"w": jnp.ones(2)}))
    True
    """
    a, b = (jax.tree.leaves(trees.split_floats(tree)[0]) for tree in (a, b))
    return jnp.array([jnp.all(x == y) for x, y in zip(a, b, strict=True)]).all()


def label_gram(labels: Shaped[AnyArray, "n ..."]) -> Float[Array, "n n"]:
    """Y Y^T centered over examples, of one-hot classes or of targets (then of length 1); 0 where labels are all alike.

    >>> label_gram(jnp.array([0, 1]))
    Array([[ 0.5, -0.5],
           [-0.5,  0.5]], dtype=float32)
    """
    labels = jnp.asarray(labels)
    if trees.is_float(labels):
        return gram_direction(labels.reshape(len(labels), -1))
    return centered((labels[:, None] == labels[None, :]).astype(jnp.result_type(float)))


def centered(kernel: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The kernel of features less their mean over examples: without the means of its rows and columns.

    >>> centered(jnp.ones((2, 2)))
    Array([[0., 0.],
           [0., 0.]], dtype=float32)
    """
    kernel = kernel - kernel.mean(0, keepdims=True)
    return kernel - kernel.mean(1, keepdims=True)


def check_labels(inputs: AnyArray, labels: AnyArray) -> None:
    """Raise InputError unless there are labels of two inputs or more, each a class or numbers."""
    num, shape = len(inputs), jnp.shape(labels)
    require(
        num >= 2 and shape[:1] == (num,),
        f"{num} inputs and labels of the shape {shape} make no kernel with labels: give two or more, a label for each",
    )
    whole = jnp.issubdtype(jnp.result_type(labels), jnp.integer)
    require(
        trees.is_float(labels) or (whole and len(shape) == 1),
        f"labels of the shape {shape} and type {jnp.result_type(labels)} are neither classes, int[n], nor targets, "
        "float[n, ...]: convert them",
    )
