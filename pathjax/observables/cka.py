"""Similarity of two networks' hidden layers, invariant to the order of units."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import Observable, PyTree, Variable


def linear_cka(features: Callable, layers: Sequence[str], inputs: PyTree, *, every: int = 1) -> Observable:
    """Records the linear centered kernel alignment of each member's layers with the baseline's.

    Records, with K = X X^T the Gram matrix of a layer's outputs X (n, features), centered over the n examples:
        cka (layer): <K, K_0> / (|K| |K_0|), 1 for representations that differ by a rotation and a scale
        cka_angle (layer): its arc cosine in radians, a metric between representations up to rotation and scale
    Both are NaN for a layer with the same outputs for all inputs.

    Args:
        features: `features(params, inputs) -> {layer: (n, ...)}`, as returned by `pathjax.models.layer_outputs`.
        layers: names of the layers.
        inputs: n examples; the cost grows with n^2.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if `layers` is empty, or a layer has no output.

    Source: Kornblith et al. 2019; the angle: Williams et al. 2021.

    >>> linear_cka(lambda w, x: {"hidden": x @ w}, ["hidden"], jnp.ones((5, 3))).coords
    (('layer', ('hidden',)),)
    """
    layers = tuple(layers)
    require(bool(layers), "layers is empty; give at least one name")

    def directions(state, inputs):
        outputs = bind(features, state)(state.params, inputs)
        for layer in layers:
            require(layer in outputs, f"unknown layer '{layer}'; choose from {', '.join(outputs)}")
        return {layer: gram_direction(outputs[layer].reshape(len(outputs[layer]), -1)) for layer in layers}

    def reference(baseline, data):
        return directions(baseline, data)

    def read(carry, snapshot):
        own, others = directions(snapshot.state, snapshot.data), snapshot.reference
        angles = jnp.stack([trees.angle(own[layer], others[layer]) for layer in layers])
        return carry, {"cka": jnp.cos(angles), "cka_angle": angles}

    variables = (
        Variable("cka", ("layer",), "1", "centred kernel alignment with the baseline's layer"),
        Variable("cka_angle", ("layer",), "rad", "angle between the layer's Gram matrix and the baseline's"),
    )
    coords = (("layer", layers),)
    return Observable(lambda snapshot: (), read, None, every, "member", variables, inputs, coords, reference)


def gram_direction(outputs: Float[Array, "n features"]) -> Float[Array, "n n"]:
    """Returns the Gram matrix of outputs centered over examples, with norm 1 (0 if all outputs are equal).

    >>> gram_direction(jnp.array([[1.0], [3.0]]))
    Array([[ 0.5, -0.5],
           [-0.5,  0.5]], dtype=float32)
    """
    outputs = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    limits = jnp.finfo(outputs.dtype)
    centered = outputs - outputs.mean(0, keepdims=True)
    largest = jnp.max(jnp.abs(centered))
    rounding = limits.eps * len(outputs) * jnp.max(jnp.abs(outputs))  # residual of equal outputs
    centered = jnp.where(largest > rounding, centered / jnp.maximum(largest, limits.tiny), 0)
    gram = jnp.matmul(centered, centered.T, precision="highest")
    return gram / jnp.maximum(jnp.sqrt(jnp.sum(gram**2)), jnp.finfo(outputs.dtype).tiny)
