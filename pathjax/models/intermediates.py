"""The outputs of a linen network's layers."""

from collections.abc import Callable

from flax import linen as nn
from flax.traverse_util import flatten_dict


def layer_outputs(model: nn.Module) -> Callable:
    """Returns `features(params, inputs)`, the outputs of all submodules by name, before activation functions.

    >>> import jax, jax.numpy as jnp
    >>> from pathjax.models import MLP
    >>> model = MLP(widths=(7,), num_classes=3)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 5)))["params"]
    >>> {name: output.shape for name, output in layer_outputs(model)(params, jnp.zeros((2, 5))).items()}
    {'Dense_0': (2, 7), 'Dense_1': (2, 3)}
    """

    def features(params, inputs):
        _, found = model.apply({"params": params}, inputs, capture_intermediates=True, mutable=["intermediates"])
        flat = flatten_dict(found["intermediates"])
        return {"/".join(path[:-1]): outputs[0] for path, outputs in flat.items() if len(path) > 1}

    return features
