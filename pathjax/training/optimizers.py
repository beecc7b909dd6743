"""Named optimizers, built from hyperparameters that stay leaves of the state."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from pathjax.core.errors import require
from pathjax.core.leaf_patterns import leaves_matching
from pathjax.core.types import PyTree

# Keeps the derivative of Adam's square root finite where a gradient is exactly 0 (a dead input pixel).
EPS_ROOT = 1e-12


def _sgd(h, mask):
    sgd = optax.sgd(h["learning_rate"], momentum=h.get("momentum"))
    return optax.chain(optax.add_decayed_weights(h["weight_decay"], mask), sgd) if "weight_decay" in h else sgd


def _adam(h, mask):
    return optax.adam(h["learning_rate"], b1=h.get("b1", 0.9), b2=h.get("b2", 0.999), eps_root=EPS_ROOT)


def _adamw(h, mask):
    betas = {"b1": h.get("b1", 0.9), "b2": h.get("b2", 0.999)}
    return optax.adamw(
        h["learning_rate"], **betas, eps_root=EPS_ROOT, weight_decay=h.get("weight_decay", 1e-4), mask=mask
    )


def _rmsprop(h, mask):
    # eps inside the square root, for the same reason as EPS_ROOT.
    return optax.rmsprop(h["learning_rate"], decay=h.get("decay", 0.9), eps=1e-8, eps_in_sqrt=True)


def _nesterov(h, mask):
    return optax.sgd(h["learning_rate"], momentum=h.get("momentum", 0.9), nesterov=True)


def _lion(h, mask):
    b1, b2, decay = h.get("b1", 0.9), h.get("b2", 0.99), h.get("weight_decay", 1e-3)
    return optax.lion(h["learning_rate"], b1=b1, b2=b2, weight_decay=decay, mask=mask)


def _muon(h, mask):
    beta, decay = h.get("beta", 0.95), h.get("weight_decay", 0.0)
    own = {"beta": beta, "weight_decay": decay, "adam_weight_decay": decay, "adam_eps_root": EPS_ROOT}
    return optax.contrib.muon(h["learning_rate"], muon_weight_dimension_numbers=_matrices, **own)


def _matrices(params):
    """Muon's matrices. Kernels are (outputs, inputs) here, transposed relative to optax; embedding tables use Adam."""
    of_matrix = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)

    def of_leaf(path, leaf):
        is_table = bool(path) and getattr(path[-1], "key", None) == "table"
        return of_matrix if jnp.ndim(leaf) == 2 and not is_table else None

    return jax.tree_util.tree_map_with_path(of_leaf, params)


_LARGEST = 3e38  # about the largest float32
_RATE, _FRACTION, _DECAY = (0.0, _LARGEST, True), (0.0, 1.0, True), (0.0, _LARGEST, False)
# name -> (builder, ranges of hyperparameters: low, high (excluded), whether low is excluded)
OPTIMIZERS = {
    "sgd": (_sgd, {"learning_rate": _RATE, "momentum": (0.0, 1.0, False), "weight_decay": _DECAY}),
    "adam": (_adam, {"learning_rate": _RATE, "b1": (0.0, 1.0, False), "b2": _FRACTION}),
    "adamw": (_adamw, {"learning_rate": _RATE, "b1": (0.0, 1.0, False), "b2": _FRACTION, "weight_decay": _DECAY}),
    "rmsprop": (_rmsprop, {"learning_rate": _RATE, "decay": _FRACTION}),
    "nesterov": (_nesterov, {"learning_rate": _RATE, "momentum": (0.0, 1.0, False)}),
    "lion": (_lion, {"learning_rate": _RATE, "b1": (0.0, 1.0, False), "b2": _FRACTION, "weight_decay": _DECAY}),
    "muon": (_muon, {"learning_rate": _RATE, "beta": (0.0, 1.0, False), "weight_decay": _DECAY}),
}


WITH_MASK = ("sgd", "adamw", "lion")  # whose weight decay can be restricted to some leaves
SIGN_BASED = ("lion",)  # steps are signs: their derivative is 0, and they jump where a sign changes
# How steps depend on the gradient: proportional to it ("sgd"), or normalized per weight ("adam") or matrix ("muon").
UPDATE_KIND = {
    "sgd": "sgd",
    "adam": "adam",
    "adamw": "adam",
    "rmsprop": "adam",
    "nesterov": "sgd",
    "lion": "adam",
    "muon": "muon",
}


def named_optimizer(
    name: str, hparams: dict[str, float], decay_on: str | None = None
) -> Callable[[dict], optax.GradientTransformation]:
    """Checks hyperparameters and returns the function from hyperparameters to an optax optimizer, for
    `training_dynamics`.

    Args:
        name: "sgd" (learning_rate, momentum, weight_decay), "adam" (learning_rate, b1, b2), "adamw" and "lion" (also
            weight_decay), "rmsprop" (learning_rate, decay), "nesterov" (learning_rate, momentum) or "muon"
            (learning_rate, beta, weight_decay; Muon trains matrices, and Adam with Nesterov momentum trains all other
            leaves and embedding tables). sgd adds its weight decay to the gradient, before momentum. Muon's step is
            discontinuous, and has no tangent, where the gradient of a matrix is exactly 0. Lion's step is a sign, so
            tangents do not see how it moves the weights.
        hparams: the hyperparameters that will be passed. learning_rate is required. The others have optax's defaults,
            except eps_root=1e-12 in adam and adamw and eps_in_sqrt in rmsprop, which keep tangents finite.
        decay_on: a regular expression, searched for in the names of leaves (as in `trees.leaf_names`): weight decay
            acts only on those that match. None: on all.

    Raises:
        InputError: for an unknown name, a hyperparameter that the optimizer does not have or that is out of range, or
            an invalid pattern; when the optimizer is initialized, for a pattern that matches no leaf.

    >>> build = named_optimizer("sgd", {"learning_rate": 0.1, "momentum": 0.9})
    >>> isinstance(build({"learning_rate": 0.1, "momentum": 0.9}), optax.GradientTransformation)
    True
    """
    require(name in OPTIMIZERS, f"unknown optimizer '{name}': choose one of {', '.join(OPTIMIZERS)}")
    build, ranges = OPTIMIZERS[name]
    require("learning_rate" in hparams, f"optimizer '{name}' needs a learning_rate")
    for key, value in hparams.items():
        require(key in ranges, f"optimizer '{name}' has no '{key}': it has {', '.join(ranges)}")
        low, high, open_low = ranges[key]
        in_range = (low < value if open_low else low <= value) and value < high
        bounds = f"{'more than' if open_low else 'at least'} {low:g}, below {high:g}"
        require(in_range, f"{key} {value:g} is out of range: choose {bounds}")
    masked = decay_on is None or name in WITH_MASK
    require(masked, f"optimizer '{name}' has no decay_on: choose one of {', '.join(WITH_MASK)}")
    mask = None if decay_on is None else _matching(decay_on)
    return lambda hparams: build(hparams, mask)


def _matching(pattern: str) -> Callable[[PyTree], PyTree]:
    """Returns `mask(weights)`, which is True for leaves whose names match."""
    marks = leaves_matching(pattern)
    return lambda weights: jax.tree.unflatten(jax.tree.structure(weights), marks(weights))
