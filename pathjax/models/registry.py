"""Networks by name, checked against the data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.cnn import CNN
from pathjax.models.mlp import MLP
from pathjax.models.resnet import ResNet
from pathjax.models.text_classifier import TextClassifier
from pathjax.models.transformer import Transformer
from pathjax.models.vit import ViT
from pathjax.models.weights import Weights


class Settings(NamedTuple):
    """Settings of all networks; each network uses its own.

    Attributes:
        widths: of hidden layers (mlp), convolutions (cnn), stages (resnet), blocks (vit, transformer), or the embedding
            and hidden layers (text_classifier).
        activation: a name in ACTIVATIONS.
        weights: initializers and parametrization.
        num_heads: number of attention heads (vit, transformer).
        patch_size: side of the image patches, in pixels (vit).
        blocks: blocks in each stage (resnet).
        norm: "layer" or "group" (resnet).
        strides: strides of all convolutions except the first (cnn).
        flatten: whether to flatten positions before the logits instead of averaging (cnn).
        hidden: whether blocks have dense layers (transformer).
    """

    widths: Sequence[int]
    activation: str
    weights: Weights = Weights()
    num_heads: int = 4
    patch_size: int = 4
    blocks: int = 1
    norm: str = "group"
    strides: int = 1
    flatten: bool = False
    hidden: bool = True


class _Kind(NamedTuple):
    inputs: str  # a key of _EXPECTED
    make: Callable[[Settings, int, Any], nn.Module]


MODELS: dict[str, _Kind] = {
    "mlp": _Kind("numbers", lambda s, classes, _: MLP(s.widths, classes, s.activation, s.weights)),
    "cnn": _Kind("images", lambda s, classes, _: CNN(s.widths, classes, s.activation, s.strides, s.weights, s.flatten)),
    "resnet": _Kind(
        "images", lambda s, classes, _: ResNet(s.widths, classes, s.activation, s.weights, s.blocks, s.norm)
    ),
    "vit": _Kind(
        "images", lambda s, classes, _: ViT(s.widths, classes, s.activation, s.weights, s.num_heads, s.patch_size)
    ),
    "text_classifier": _Kind(
        "tokens", lambda s, classes, tokens: TextClassifier(s.widths, classes, tokens, s.activation, s.weights)
    ),
    "transformer": _Kind(
        "sequences",
        lambda s, classes, tokens: Transformer(s.widths, tokens, s.activation, s.weights, s.num_heads, s.hidden),
    ),
}
_EXPECTED = {
    "numbers": "numbers, such as digits",
    "images": "images, such as digits",
    "tokens": "texts with a class each",
    "sequences": "texts for next-token prediction",
}


def named_model(
    name: str,
    settings: Settings,
    inputs_shape: Sequence[int],
    targets_shape: Sequence[int],
    num_classes: int,
    num_tokens: int | None = None,
) -> nn.Module:
    """Builds a network by name.

    Args:
        name: a key of MODELS.
        settings: the network's settings.
        inputs_shape, targets_shape: shapes for one example.
        num_classes: number of classes.
        num_tokens: size of the vocabulary if inputs are tokens, else None.

    Raises:
        InputError: for an unknown name, a network that does not fit the data, or a setting out of range.

    >>> named_model("cnn", Settings((8, 16), "relu"), (8, 8, 1), (), 10).channels
    (8, 16)
    """
    require(name in MODELS, f"unknown model '{name}': choose one of {', '.join(MODELS)}")
    kind, make = MODELS[name]
    if num_tokens is None:
        found = "images" if len(inputs_shape) == 3 else "numbers"
    else:
        found = "sequences" if tuple(targets_shape) == tuple(inputs_shape) else "tokens"
    fits = found == kind or (kind == "numbers" and found == "images")
    choices = ", ".join(n for n, k in MODELS.items() if k.inputs == found or (found, k.inputs) == ("images", "numbers"))
    require(fits, f"model '{name}' takes {_EXPECTED[kind]}, but the data are {found}: choose {choices}")
    require(len(settings.widths) > 0 or name == "mlp", f"model '{name}' needs widths: give one or more, such as (16,)")
    return make(settings, num_classes, num_tokens)
