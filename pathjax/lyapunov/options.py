"""Options shared by all functions that measure Lyapunov exponents."""

from typing import NamedTuple

from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.tangents.propagate import Select


class SpectrumOptions(NamedTuple):
    """Options of `lyapunov_spectrum` and its relatives.

    Attributes:
        burn_in: steps of state and tangents before the measurement, in which both settle.
        renormalize_every: steps between renormalizations: orthonormalizations of tangents, or rescalings of a single
            tangent or separation. Directions collapse when exponents' differences times this come near 16 (float32)
            or 36 (float64): `check_exponents` says so. A shorter last block is counted by its length.
        dt: time units a step, for maps that integrate a flow.
        select: which float leaves carry tangents, by name ("params/Dense_0/kernel"); by default all, but in a `State`
            not its hyperparameters. Leaves that are not selected follow the baseline and drive the selected ones, so
            these are conditional exponents (Pecora & Carroll 1990), such as those of one layer driven by the others.
        tangents: k displacements to start with, on a leading axis of every leaf that moves; by default random ones.
        tangent_chunk: how many tangents are pushed at once, to bound memory; each chunk is compiled by itself. By
            default all k, but on a CPU up to 16 large ones one by one, which is faster there.
        method: "cholesky" (products of leaves, with a fallback to Householder where that is not safe), or
            "householder".
        save_r: whether to keep the triangular factors, which `covariant_vectors` needs: blocks k^2 numbers.
    """

    burn_in: int = 0
    renormalize_every: int = 1
    dt: float = 1.0
    select: Select | None = None
    tangents: PyTree = None
    tangent_chunk: int | None = None
    method: str = "cholesky"
    save_r: bool = False


def check_unused(options: SpectrumOptions, names: tuple[str, ...], who: str) -> None:
    """Raise InputError if an option is set that the caller would ignore.

    >>> check_unused(SpectrumOptions(), ("save_r",), "lyapunov_exponent")
    """
    for name in names:
        given, default = getattr(options, name), SpectrumOptions._field_defaults[name]
        require(given is default or given == default, f"{who} has no {name}: leave the option {name} out")
