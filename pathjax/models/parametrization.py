"""How weights, their multipliers and their learning rates change with a network's width.

A layer computes multiplier * kernel @ x + bias. With r = width / base width, the initial standard deviation of its
kernel, its multiplier and its learning rate are those of the standard parametrization times powers of r. The powers
depend on the layer's role: whether its inputs, its outputs, both or neither grow with the network's width.
"""

from typing import NamedTuple

from pathjax.core.errors import require

PARAMETRIZATIONS = ("standard", "ntk", "mup", "family")
ROLES = ("input", "hidden", "output", "fixed")  # outputs, both, inputs or neither grow with the width


class Parametrization(NamedTuple):
    """A parametrization, and the width at which all parametrizations are the same.

    Attributes:
        name: "standard" (only the initializer depends on the number of inputs), "ntk" (neural tangent: a fixed kernel
            drives training in the limit), "mup" (maximal update: features also move in the limit), or "family", which
            interpolates between "ntk" and "mup" with `s`.
        s: from 0 (same as "ntk") to 1 (same as "mup"): features move by r^(-(1 - s) / 2). Only for "family".
        base_width: the width at which multipliers are 1, and initial weights and learning rates those of "standard".

    Source: Jacot et al. 2018 (NTK), Yang & Hu 2021 and Yang et al. 2022, table 8 (muP), Yaida 2022, arXiv 2210.04909
    (the family).
    """

    name: str = "standard"
    s: float = 1.0
    base_width: int = 64


class Powers(NamedTuple):
    """Powers of r relative to the standard parametrization: of the initial standard deviation, the multiplier, and the
    learning rate for optimizers whose steps are proportional to the gradient ("sgd"), or normalized per weight ("adam")
    or per matrix ("muon")."""

    deviation: float = 0.0
    multiplier: float = 0.0
    sgd: float = 0.0
    adam: float = 0.0
    muon: float = 0.0


def check_parametrization(parametrization: Parametrization) -> None:
    """Raises InputError for an unknown name or a value out of range."""
    name, s, base = parametrization
    require(name in PARAMETRIZATIONS, f"unknown parametrization '{name}': choose one of {', '.join(PARAMETRIZATIONS)}")
    require(0 <= s <= 1, f"s {s:g} of the parametrization is out of range: choose 0 (ntk) to 1 (mup)")
    require(base >= 1, f"base_width {base} of the parametrization is out of range: choose 1 or more")


def share(parametrization: Parametrization) -> float:
    """Returns the parametrization's position from "ntk" (0) to "mup" (1).

    >>> share(Parametrization("family", s=0.3))
    0.3
    """
    return {"ntk": 0.0, "mup": 1.0}.get(parametrization.name, parametrization.s)


def powers(parametrization: Parametrization, role: str) -> Powers:
    """Returns the powers of r for kernels of a role. The role of biases and gains is "input" or "fixed".

    "ntk" and "mup" are members of the family with a multiplier r^m moved out of the kernels, which start r^-m times as
    large. A step of "sgd" then changes the function r^(2m) times as much, and a step of the others r^m times.

    >>> powers(Parametrization("mup"), "output")
    Powers(deviation=0.5, multiplier=-1.0, sgd=1.0, adam=0.0, muon=0.5)
    >>> powers(Parametrization("ntk"), "hidden")
    Powers(deviation=0.5, multiplier=-0.5, sgd=0.0, adam=-1.0, muon=0.0)
    """
    name = parametrization.name
    if name == "standard" or role == "fixed":
        return Powers()
    s = share(parametrization)
    moved = {"ntk": {"hidden": -0.5, "output": -0.5}, "mup": {"output": -1.0}}.get(name, {})
    m, features = moved.get(role, 0.0), (s - 1) / 2  # the power by which features move
    deviation = -s / 2 if role == "output" else 0.0
    sgd = {"input": s, "hidden": s - 1, "output": -1.0}[role]
    adam = {"input": features, "hidden": features - 1, "output": -1.0}[role]
    muon = {"input": features, "hidden": features, "output": -0.5}[role]
    return Powers(*(p + 0.0 for p in (deviation - m, m, sgd - 2 * m, adam - m, muon - m)))
