"""Options shared by all functions that measure Lyapunov exponents."""

from typing import NamedTuple

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.tangents.propagate import Select


@shown_in_short
class SpectrumOptions(NamedTuple):
    """Options of `lyapunov_spectrum` and its relatives.

    Attributes:
        burn_in: steps of state and tangents before the measurement, in which both converge.
        renormalize_every: steps between renormalizations: orthonormalizations of tangents, or rescalings of a single
            tangent or separation. Directions collapse when the difference between exponents times this approaches 16
            (float32) or 36 (float64), which `check_exponents` reports. A shorter last block is weighted by its length.
        dt: time units per step, for maps that integrate a flow.
        select: predicate on leaf names ("params/Dense_0/kernel"): which float leaves carry tangents. By default all,
            but not the hyperparameters of a `State`. Leaves that are not selected follow the baseline and drive the
            selected ones, so these are conditional exponents (Pecora & Carroll 1990), such as those of one layer driven
            by the others.
        tangents: k initial displacements, on a leading axis of every selected leaf; random by default.
        tangent_chunk: number of tangents pushed simultaneously, to bound memory; each chunk is compiled separately. By
            default all k, but on a CPU up to 16 large ones are pushed one by one, which is faster there.
        method: "cholesky" (products of leaves, with a fallback to Householder where Cholesky is not safe), or
            "householder".
        save_r: whether to keep the triangular factors, which `covariant_vectors` needs: blocks k^2 floats.
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
    """Raises InputError if an option is set that the caller ignores.

    >>> check_unused(SpectrumOptions(), ("save_r",), "lyapunov_exponent")
    """
    for name in names:
        given, default = getattr(options, name), SpectrumOptions._field_defaults[name]
        require(given is default or given == default, f"{who} does not use {name}; leave this option out")
