"""Records that could not be saved are rejected before the run."""

import optax
import pytest

import pathjax
from helpers.small_runs import ensemble_of, run


def variable(name="mine", dims=()):
    return pathjax.Variable(name, dims, "1", "mine")


def observable(read, *variables, **options):
    return pathjax.Observable(lambda s: (), lambda c, s: (c, read(s)), None, 1, "member", variables, **options)


@pytest.mark.parametrize(
    ("one", "match"),
    [
        (observable(lambda s: {"mine": s.state.params}, variable()), r"recorded 'mine' with shape \(3,\)"),
        (observable(lambda s: {"other": 1.0}, variable()), "declares"),
        (observable(lambda s: 1.0, variable()), "must return a dict"),
        (observable(lambda s: {"mine": s.nothing}, variable()), "the observable 'mine' failed .AttributeError"),
        (observable(lambda s: {"step": 1.0}, variable("step")), "records 'step'; choose"),
        (observable(lambda s: {"role": 1.0}, variable("role")), "records 'role'; choose"),
        (observable(lambda s: {"step_10": 1.0}, variable("step_10")), "records 'step_10'; choose"),
        (observable(lambda s: {"layer/0": 1.0}, variable("layer/0")), "records 'layer/0'; choose"),
        (observable(lambda s: {"mine": s.state.params}, variable(dims=("member",))), "has the dimension 'member'"),
        (
            observable(lambda s: {"mine": s.state.params}, variable(dims=("mine",))),
            "is both a variable and a dimension",
        ),
        (observable(lambda s: {"mine": s.state.params}, variable(dims=("leaf",))), "3 entries along 'leaf', but .* 1"),
        (
            observable(lambda s: {"mine": s.state.params}, variable(dims=("a",)), coords=(("a", (1, 2)),)),
            "3 entries along 'a', but its labels 2",
        ),
        (
            observable(
                lambda s: {"mine": s.state.params, "two": s.state.params[:2]},
                variable(dims=("a",)),
                variable("two", ("a",)),
            ),
            "'two' has 2 entries along 'a', but 'mine' 3",
        ),
    ],
)
def test_records_that_could_not_be_saved_are_rejected_before_the_run(one, match):
    with pytest.raises(pathjax.InputError, match=match) as error:
        run(*ensemble_of(optax.sgd(0.1)), [one])
    assert "\n" not in str(error.value)
