"""What reports say of hyperparameters: the loss's regularizers, windows of steps, and arms."""

from collections.abc import Mapping
from typing import Any


def value_words(values: Mapping[str, Any]) -> str:
    """Describes hyperparameters: their values, or (value, from, until).

    >>> value_words({"l1": (0.001, 0, 100), "learning_rate": 0.1})
    'l1 0.001 from step 0 until 100, learning rate 0.1'
    """
    parts = []
    for name, value in values.items():
        own = name.replace("_", " ")
        is_window = isinstance(value, (tuple, list))
        parts.append(f"{own} {value[0]:g} from step {value[1]} until {value[2]}" if is_window else f"{own} {value:g}")
    return ", ".join(parts)


def loss_words(config: Mapping[str, Any]) -> str:
    """Describes the regularizers and windows of all members, or "".

    >>> loss_words({"regularization": {"l1": None, "l2": 0.1, "penalized": None}})
    ', with l2 0.1'
    """
    given = config.get("regularization", {}).items()
    found = {name: value for name, value in given if isinstance(value, (int, float))} | dict(config.get("windows", {}))
    return f", with {value_words(found)}" if found else ""


def arm_words(config: Mapping[str, Any]) -> str:
    """Describes the arms, or "".

    >>> arm_words({"arms": {"slow": {"learning_rate": 0.01}}})
    'slow: learning rate 0.01'
    """
    return "; ".join(f"{arm}: {value_words(values)}" for arm, values in config.get("arms", {}).items())
