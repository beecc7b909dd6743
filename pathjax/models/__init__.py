"""Models as Flax linen modules, with their initializers, parametrizations and learning rates."""

from pathjax.models.activations import ACTIVATIONS, activation_of, leak_of
from pathjax.models.attention import Attention, Block
from pathjax.models.cnn import CNN, Convolution
from pathjax.models.convolution import convolution
from pathjax.models.dense import Dense
from pathjax.models.embedding import Embedding, Positions
from pathjax.models.initializers import BIAS_INITIALIZERS, INITIALIZERS, kaiming_sphere
from pathjax.models.log_odds import LogOdds
from pathjax.models.mlp import MLP
from pathjax.models.norm import NORMS, Norm
from pathjax.models.parametrization import PARAMETRIZATIONS, Parametrization
from pathjax.models.registry import MODELS, named_model
from pathjax.models.resnet import ResNet
from pathjax.models.text_classifier import TextClassifier
from pathjax.models.transformer import Transformer, attention_weights
from pathjax.models.vit import ViT
from pathjax.models.weights import Weights, learning_rate_factors

__all__ = [
    "ACTIVATIONS",
    "BIAS_INITIALIZERS",
    "CNN",
    "INITIALIZERS",
    "MLP",
    "MODELS",
    "NORMS",
    "PARAMETRIZATIONS",
    "Attention",
    "Block",
    "Convolution",
    "Dense",
    "Embedding",
    "LogOdds",
    "Norm",
    "Parametrization",
    "Positions",
    "ResNet",
    "TextClassifier",
    "Transformer",
    "ViT",
    "Weights",
    "activation_of",
    "attention_weights",
    "convolution",
    "kaiming_sphere",
    "leak_of",
    "learning_rate_factors",
    "named_model",
]
