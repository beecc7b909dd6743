"""How weights, their multipliers and their learning rates change with a network's width.

A layer computes multiplier * kernel @ x + bias. With r = width / base width, the standard deviation of its kernel at
the start, its multiplier and its learning rate are those of the standard parametrization times powers of r, which
depend on the layer's role: whether its inputs, its outputs, both or neither become more with the network's width.
"""

from typing import NamedTuple

from pathjax.core.errors import require

PARAMETRIZATIONS = ("standard", "ntk", "mup", "family")
ROLES = ("input", "hidden", "output", "fixed")  # outputs, both, inputs, or neither grow with the width


class Parametrization(NamedTuple):
    """Which one, and the width at which all are the same.

    Attributes:
        name: "standard" (nothing changes but what the initializer makes of the number of inputs), "ntk" (neural
            tangent: a kernel of the limit drives training), "mup" (maximal update: features move in the limit too), or
            "family", which goes from the one to the other with `s`.
        s: from 0 (as "ntk") to 1 (as "mup"): features move by r^(-(1 - s) / 2). Of "family" alone.
        base_width: where the multiplier is 1 and start and learning rate are those of "standard".

    Source: Jacot et al. 2018 (NTK), Yang & Hu 2021 and Yang et al. 2022, table 8 (muP), Yaida 2022, arXiv 2210.04909
    (the family).
    """

    name: str = "standard"
    s: float = 1.0
    base_width: int = 64


class Powers(NamedTuple):
    """Of r, by which a layer's weights are other than those of the standard parametrization: the standard deviation at
    the start, the multiplier, and the learning rate if steps are proportional to the gradient ("sgd"), are of a size of
    their own for each weight ("adam"), or for each matrix ("muon")."""

    deviation: float = 0.0
    multiplier: float = 0.0
    sgd: float = 0.0
    adam: float = 0.0
    muon: float = 0.0


def check_parametrization(parametrization: Parametrization) -> None:
    """Raise InputError for an unknown name, or a number out of its range."""
    name, s, base = parametrization
    require(name in PARAMETRIZATIONS, f"unknown parametrization '{name}': choose one of {', '.join(PARAMETRIZATIONS)}")
    require(0 <= s <= 1, f"s {s:g} of the parametrization is out of range: choose 0 (as ntk) to 1 (as mup)")
    require(base >= 1, f"base_width {base} of the parametrization is no width: choose 1 or more")


def share(parametrization: Parametrization) -> float:
    """How far from "ntk" (0) to "mup" (1) a parametrization is.

    >>> share(Parametrization("family", s=0.3))
    0.3
    """
    return {"ntk": 0.0, "mup": 1.0}.get(parametrization.name, parametrization.s)


def powers(parametrization: Parametrization, role: str) -> Powers:
    """What r's powers are for the kernels of a role; biases and gains have no inputs that grow ("input" or "fixed").

    "ntk" and "mup" are members of the family with a multiplier m moved out of their kernels: those start r^-m times as
    large. A step of "sgd" is m^2 times as large in the function then, one of the others m times.

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
    m, features = moved.get(role, 0.0), (s - 1) / 2  # what features are to move by
    deviation = -s / 2 if role == "output" else 0.0
    sgd = {"input": s, "hidden": s - 1, "output": -1.0}[role]
    adam = {"input": features, "hidden": features - 1, "output": -1.0}[role]
    muon = {"input": features, "hidden": features, "output": -0.5}[role]
    return Powers(*(p + 0.0 for p in (deviation - m, m, sgd - 2 * m, adam - m, muon - m)))
