"""Named optimizers, built from hyperparameters that stay leaves of the state."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pathjax.core.errors import require

# Keeps the derivative of Adam's square root finite where a gradient is exactly 0 (a dead input pixel).
EPS_ROOT = 1e-12


def _sgd(h):
    sgd = optax.sgd(h["learning_rate"], momentum=h.get("momentum"))
    return optax.chain(optax.add_decayed_weights(h["weight_decay"]), sgd) if "weight_decay" in h else sgd


def _adam(h):
    return optax.adam(h["learning_rate"], b1=h.get("b1", 0.9), b2=h.get("b2", 0.999), eps_root=EPS_ROOT)


def _adamw(h):
    decay = h.get("weight_decay", 1e-4)
    return optax.adamw(
        h["learning_rate"], b1=h.get("b1", 0.9), b2=h.get("b2", 0.999), eps_root=EPS_ROOT, weight_decay=decay
    )


def _rmsprop(h):
    # eps inside the square root, for the same reason as EPS_ROOT.
    return optax.rmsprop(h["learning_rate"], decay=h.get("decay", 0.9), eps=1e-8, eps_in_sqrt=True)


def _nesterov(h):
    return optax.sgd(h["learning_rate"], momentum=h.get("momentum", 0.9), nesterov=True)


def _lion(h):
    b1, b2, decay = h.get("b1", 0.9), h.get("b2", 0.99), h.get("weight_decay", 1e-3)
    return optax.lion(h["learning_rate"], b1=b1, b2=b2, weight_decay=decay)


def _muon(h):
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


def named_optimizer(name: str, hparams: dict[str, float]) -> Callable[[dict], optax.GradientTransformation]:
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

    Raises:
        InputError: for an unknown name, or a hyperparameter that the optimizer does not have or that is out of range.

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
    return build


def with_rates(
    build: Callable[[dict], optax.GradientTransformation], factors: Any
) -> Callable[[dict], optax.GradientTransformation]:
    """Multiplies each leaf's learning rate by its own factor.

    Args:
        build: maps hyperparameters to an optimizer.
        factors: scalars in a pytree like the weights, e.g. a parametrization's `pathjax.models.learning_rate_factors`.
            Weight decay is part of the step, so it is multiplied too.

    >>> two = with_rates(named_optimizer("sgd", {"learning_rate": 1.0}), {"a": 1.0, "b": 0.5})({"learning_rate": 1.0})
    >>> ones = {"a": jnp.ones(()), "b": jnp.ones(())}
    >>> {name: float(step) for name, step in two.update(ones, two.init(ones))[0].items()}
    {'a': -1.0, 'b': -0.5}
    """
    if all(factor == 1 for factor in jax.tree.leaves(factors)):
        return build

    def scale(updates, _=None):
        return jax.tree.map(lambda update, factor: update * factor, updates, factors)

    return lambda hparams: optax.chain(build(hparams), optax.stateless(scale))


def scheduled(
    build: Callable[[dict], optax.GradientTransformation], factor: Callable
) -> Callable[[dict], optax.GradientTransformation]:
    """Multiplies each step's update by `factor(step)`, so that the learning rate is the peak of a schedule.

    >>> import jax.numpy as jnp
    >>> halved = scheduled(named_optimizer("sgd", {"learning_rate": 1.0}), lambda step: 0.5)({"learning_rate": 1.0})
    >>> float(halved.update(jnp.float32(1.0), halved.init(jnp.float32(0.0)))[0])
    -0.5
    """
    return lambda hparams: optax.chain(build(hparams), optax.scale_by_schedule(factor))


SCHEDULES = ("constant", "cosine", "linear")


def schedule_factor(name: str, num_steps: int, warmup_steps: int = 0) -> Callable:
    """Returns the `factor(step)` for `scheduled`: linear warm-up from 0 to 1, followed by the named schedule.

    Args:
        name: "constant", or "cosine" or "linear", which end at 0 after `num_steps`.
        num_steps: steps of the run.
        warmup_steps: steps of the warm-up.

    Raises:
        InputError: for an unknown name, or a warm-up that is not shorter than the run.

    >>> factor = schedule_factor("linear", num_steps=10, warmup_steps=2)
    >>> [round(float(factor(step)), 2) for step in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    require(name in SCHEDULES, f"unknown schedule '{name}': choose one of {', '.join(SCHEDULES)}")
    fits = 0 <= warmup_steps < num_steps
    require(fits, f"a warm-up of {warmup_steps} steps does not fit into {num_steps}: choose 0 to {num_steps - 1}")
    remaining = num_steps - warmup_steps
    main = {
        "constant": optax.constant_schedule(1.0),
        "cosine": optax.cosine_decay_schedule(1.0, remaining),
        "linear": optax.linear_schedule(1.0, 0.0, remaining),
    }[name]
    if not warmup_steps:
        return main
    return optax.join_schedules([optax.linear_schedule(0.0, 1.0, warmup_steps), main], [warmup_steps])
