"""Derivatives of the baseline's run with respect to parameters, and finite differences for comparison."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from pathjax.core.types import Dynamics, Observable, PyTree, Variable
from pathjax.derivatives import Parameter
from pathjax.derivatives.parameters import displacements, has_examples
from pathjax.derivatives.propagate import advance, record, start


def sensitivity(
    dynamics: Dynamics,
    wrt: Mapping[str, Parameter],
    batches: tuple[int, int],
    *,
    every: int = 1,
    readout: Callable[..., jax.Array] | None = None,
    data: PyTree = None,
) -> Observable:
    """Records the results of `pathjax.sensitivity` along the baseline of a rollout.

    Records, for each parameter theta:
        sensitivity (parameter,): |dw/dtheta|
        difference_sensitivity (parameter,): the same by central differences
        sensitivity_disagreement (parameter,): the norm of the difference of the two, relative to the derivative's
        readout_derivative (parameter,), readout_difference (parameter,): of `readout`, by both methods, if it is given

    Args:
        dynamics: the map that the rollout iterates.
        wrt: parameters by label, see `pathjax.derivatives`.
        batches: (steps, examples per batch) of the schedule.
        every: steps between records.
        readout: `readout(params, data)`, shape (): the test loss, for example; for a model with a state
            `readout(params, model_state, data)`.
        data: arrays that the readout needs.

    Returns:
        An Observable of scope "baseline"; its records are arrays with the dimensions in brackets above, after
        (record,).

    Raises:
        InputError: for a parameter that does not exist.

    >>> from pathjax.derivatives import hyperparameter
    >>> from pathjax.training.dynamics import map_dynamics
    >>> sensitivity(map_dynamics(lambda x, b: x), {"rate": hyperparameter("rate")}, (10, 2)).coords
    (('parameter', ('rate',)),)
    """
    weighted, labels = has_examples(wrt), tuple(wrt)
    bare = tuple((label, one._replace(target=None) if one.kind == "direction" else one) for label, one in wrt.items())
    trees_given = {label: one.target for label, one in wrt.items() if one.kind == "direction"}

    def init(snapshot):
        parameters = {
            label: one._replace(target=snapshot.data[0][label]) if one.kind == "direction" else one
            for label, one in bare
        }
        moves = displacements(parameters, snapshot.state, batches)
        return moves, start(snapshot.state, moves)

    def update(carry, transition):
        moves, carried = carry
        return moves, advance(dynamics, moves, weighted, transition.batch, transition.before, carried)[1]

    def read(carry, snapshot):
        def value(*network):
            return readout(*network, snapshot.data[1]) if readout else jnp.zeros(())

        norm, differences, disagreement, _, *of_readout = record(value, carry[0], snapshot.state, carry[1])
        found = {"sensitivity": norm, "difference_sensitivity": differences, "sensitivity_disagreement": disagreement}
        if readout:
            found |= dict(zip(("readout_derivative", "readout_difference"), of_readout, strict=True))
        return carry, found

    long_names = [
        ("sensitivity", "weight per unit of the parameter", "2-norm of the derivative of the weights"),
        ("difference_sensitivity", "weight per unit of the parameter", "the same by central differences"),
        ("sensitivity_disagreement", "1", "distance of both, relative to the derivative"),
        ("readout_derivative", "per unit of the parameter", "derivative of what is read off the weights"),
        ("readout_difference", "per unit of the parameter", "the same by central differences"),
    ]
    variables = tuple(
        Variable(name, ("parameter",), units, label) for name, units, label in long_names[: 5 if readout else 3]
    )
    given = (trees_given, data)
    return Observable(init, read, update, every, "baseline", variables, given, (("parameter", labels),))
