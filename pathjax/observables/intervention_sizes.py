"""Effects of interventions on the members they happened to."""

from pathjax.core.types import Observable, Variable


def intervention_size(name: str, *, every: int = 1) -> Observable:
    """Records how far an intervention has moved each member.

    Records <name>_size (): the 2-norm of the change of weights, optimizer state or hyperparameter; 0 until it happens.
    See `pathjax.interventions.intervened`.

    Args:
        name: name of the intervention.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> intervention_size("kick").variables[0].name
    'kick_size'
    """

    def read(carry, snapshot):
        return carry, {f"{name}_size": snapshot.state.interventions[name].moved}

    label = f"2-norm of what the {name} changed"
    variables = (Variable(f"{name}_size", (), "of what was changed", label),)
    return Observable(lambda snapshot: (), read, None, every, "member", variables)
