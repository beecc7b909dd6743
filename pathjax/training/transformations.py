"""What comes before and after an optimizer: clipping, rates of leaves, and schedules."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from pathjax.core.errors import require

CLIPPING = ("clip_norm", "clip_value")


def with_clipping(
    build: Callable[[dict], optax.GradientTransformation],
) -> Callable[[dict], optax.GradientTransformation]:
    """Clips gradients before the optimizer sees them, if the hyperparameters say so.

    Args:
        build: maps hyperparameters to an optimizer.

    Returns:
        A function that clips each element to [-clip_value, clip_value], and then the gradient to a 2-norm of at most
        clip_norm, for those of the two that are among its hyperparameters.

    >>> import jax.numpy as jnp
    >>> build = with_clipping(lambda h: optax.sgd(h["learning_rate"]))
    >>> clipped = build({"learning_rate": 1.0, "clip_norm": 0.5})
    >>> clipped.update(jnp.array([3.0, 4.0]), clipped.init(jnp.ones(2)))[0].tolist()
    [-0.30000001192092896, -0.4000000059604645]
    """

    def clipped(hparams: dict) -> optax.GradientTransformation:
        before = []
        if "clip_value" in hparams:
            before.append(optax.clip(hparams["clip_value"]))
        if "clip_norm" in hparams:
            before.append(optax.clip_by_global_norm(hparams["clip_norm"]))
        others = {name: value for name, value in hparams.items() if name not in CLIPPING}
        return optax.chain(*before, build(others)) if before else build(hparams)

    return clipped


def preceded_by(
    parts: list[Callable[[dict], optax.GradientTransformation]], build: Callable[[dict], optax.GradientTransformation]
) -> Callable[[dict], optax.GradientTransformation]:
    """Chains gradient transformations and an optimizer, all built from the same hyperparameters.

    >>> doubled = preceded_by([lambda h: optax.scale(2.0)], lambda h: optax.sgd(h["rate"]))({"rate": 0.5})
    >>> float(doubled.update(1.0, doubled.init(0.0))[0])
    -1.0
    """
    return (lambda hparams: optax.chain(*(part(hparams) for part in parts), build(hparams))) if parts else build


def with_rates(
    build: Callable[[dict], optax.GradientTransformation], factors: Any
) -> Callable[[dict], optax.GradientTransformation]:
    """Multiplies each leaf's learning rate by its own factor.

    Args:
        build: maps hyperparameters to an optimizer.
        factors: scalars in a pytree like the weights, e.g. a parametrization's `pathjax.models.learning_rate_factors`.
            Weight decay is part of the step, so it is multiplied too.

    >>> import jax.numpy as jnp
    >>> from pathjax.training.optimizers import named_optimizer
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
    >>> from pathjax.training.optimizers import named_optimizer
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
