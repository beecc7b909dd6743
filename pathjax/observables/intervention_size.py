"""What interventions did to the members that they happened to."""

from pathjax.core.types import Observable, Variable


def moved_by(name: str, every: int = 1) -> Observable:
    """How far an intervention moved each member, once it happened.

    Records <name>_moved (): the 2-norm of the change of weights, optimizer state or hyperparameter; 0 until then. See
    `pathjax.interventions.intervening`.

    >>> moved_by("kick").variables[0].name
    'kick_moved'
    """

    def read(carry, snapshot):
        return carry, {f"{name}_moved": snapshot.state.hparams[f"{name}/moved"]}

    label = f"2-norm of what the {name} changed"
    variables = (Variable(f"{name}_moved", (), "of what was changed", label),)
    return Observable(lambda snapshot: (), read, None, every, "member", variables)
