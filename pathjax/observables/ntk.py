"""Motion of the tangent kernel in training: from its start, towards the labels, and away from the baseline's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import weights_of
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
    """Records the empirical neural tangent kernel Theta of each member on n examples (`measures.ntk.empirical_ntk`).

    Records, with Frobenius norms and Theta_1 the member's own kernel at the first record:
        kernel_norm (): |Theta|, in output^2 / weight^2
        kernel_drift (): |Theta - Theta_1| / |Theta_1|, exactly 0 at first; lazy training keeps it near 0
        kernel_drift_angle (): the angle between the two in radians, which ignores scale; exactly 0 at first
        kernel_label_alignment (): <K, G> / (|K| |G|) with K and G the kernel and the labels' Gram matrix Y Y^T, both
            centered over examples; from -1 to 1 (0 or more, since both are positive). NaN if one of them is constant
        kernel_distance (): |Theta - Theta_0| / |Theta_0| with Theta_0 the baseline's at the same step. Theta_0 is
            evaluated separately, with other rounding, so the distance is set to 0 if all weights equal the baseline's
            bitwise: it is exactly 0 for the replica as long as its weights are equal, and at least rounding for others

    Each example is evaluated separately, as in `classification`, and so is each member: a record takes the time of one
    member's kernel times their number, and the memory of one.

    Args:
        predict: `predict(params, inputs) -> outputs`, shapes (n, ...) to (n, ...), such as logits.
        inputs: n examples; n^2 values are kept for each member.
        labels: int[n], classes (Y is one-hot; the number of classes does not matter), or float[n, ...], targets.
        every: steps between records.
        factors: relative learning rates of the leaves, see `empirical_ntk`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if the numbers of labels and inputs differ, or there are fewer than two.

    Source: centered alignment, Cortes et al. 2012; for tangent kernels in training, Baratin et al. 2021; their drift,
    Fort et al. 2020.

    >>> examples = jnp.zeros((4, 3)), jnp.array([0, 0, 1, 1])
    >>> [v.name for v in tangent_kernel(lambda w, x: x @ w, *examples).variables][:2]
    ['kernel_norm', 'kernel_drift']
    """
    check_labels(inputs, labels)
    num = len(inputs)

    def kernel(state, data):
        return empirical_ntk(predict, weights_of(state), data[0], data[2])

    def init(snapshot: Snapshot):
        kind = jnp.promote_types(trees.float_type(snapshot.state.params), jnp.float32)
        return jnp.array(True), jnp.zeros((num, num), kind)

    def reference(baseline, data):
        return kernel(baseline, data)

    def read(carry, snapshot):
        is_first, first = carry
        now = kernel(snapshot.state, snapshot.data)
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
    """Returns the records of a kernel, given the first, the baseline's, and the labels' (from `label_gram`).

    >>> one = jnp.eye(2)
    >>> {name: float(value) for name, value in compare(2 * one, one, 2 * one, one).items() if "drift" in name}
    {'kernel_drift': 1.0, 'kernel_drift_angle': 0.0}
    """
    own = centered(now)
    size = trees.norm(own)
    # A constant kernel leaves only rounding.
    is_known = size > jnp.finfo(now.dtype).eps * trees.norm(now)
    alignment = jnp.sum(own / size * labels.astype(now.dtype)) / trees.norm(labels.astype(now.dtype))
    return {
        "kernel_norm": trees.norm(now),
        "kernel_drift": trees.norm(now - first) / trees.norm(first),
        # Two norms of the same array may round differently.
        "kernel_drift_angle": jnp.where(jnp.all(now == first), 0, trees.angle(now, first)),
        "kernel_label_alignment": jnp.where(is_known, alignment, jnp.nan),
        "kernel_distance": trees.norm(now - others) / trees.norm(others),
    }


def same_weights(a: PyTree, b: PyTree) -> Array:
    """Whether all float leaves are bitwise equal; NaN is not equal to NaN.

    >>> bool(same_weights({"w": jnp.ones(2)}, {"w": jnp.ones(2)}))
    True
    """
    a, b = (jax.tree.leaves(trees.split_floats(tree)[0]) for tree in (a, b))
    return jnp.array([jnp.all(x == y) for x, y in zip(a, b, strict=True)]).all()


def label_gram(labels: Shaped[AnyArray, "n ..."]) -> Float[Array, "n n"]:
    """Returns Y Y^T centered over examples, for one-hot classes or for targets (with norm 1); 0 if all labels are
    equal.

    >>> label_gram(jnp.array([0, 1]))
    Array([[ 0.5, -0.5],
           [-0.5,  0.5]], dtype=float32)
    """
    labels = jnp.asarray(labels)
    if trees.is_float(labels):
        return gram_direction(labels.reshape(len(labels), -1))
    return centered((labels[:, None] == labels[None, :]).astype(jnp.result_type(float)))


def centered(kernel: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Returns the kernel of centered features: without the means of its rows and columns.

    >>> centered(jnp.ones((2, 2)))
    Array([[0., 0.],
           [0., 0.]], dtype=float32)
    """
    kernel = kernel - kernel.mean(0, keepdims=True)
    return kernel - kernel.mean(1, keepdims=True)


def check_labels(inputs: AnyArray, labels: AnyArray) -> None:
    """Raises InputError unless there are at least two inputs, each with a label: a class or a float target."""
    num, shape = len(inputs), jnp.shape(labels)
    require(
        num >= 2 and shape[:1] == (num,),
        f"labels of shape {shape} do not match {num} inputs; give two or more inputs, and one label for each",
    )
    is_integer = jnp.issubdtype(jnp.result_type(labels), jnp.integer)
    require(
        trees.is_float(labels) or (is_integer and len(shape) == 1),
        f"labels must be classes, int[n], or targets, float[n, ...], not {jnp.result_type(labels)} of shape {shape}; "
        "convert them",
    )
