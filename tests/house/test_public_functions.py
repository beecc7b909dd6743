"""Conventions of all public functions: the positions of keys and cadences, and the number of parameters."""

import importlib.util
import inspect

import jax
import jaxtyping
import pytest

import pathjax
from pathjax import curvature, derivatives, interventions, lyapunov, observables, perturbations, symmetry
from pathjax.measures.ntk import empirical_ntk

PACKAGES = (pathjax, curvature, derivatives, interventions, lyapunov, observables, perturbations, symmetry)
FUNCTIONS = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in PACKAGES
    for name in package.__all__
    if inspect.isfunction(getattr(package, name))
}
OPTIONS = (
    observables.Search,
    observables.Align,
    pathjax.RolloutOptions,
    pathjax.SpectrumOptions,
    pathjax.InterventionGrid,
)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_public_functions_follow_the_conventions(name):
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    assert len(parameters) <= 8, "group some of them in a NamedTuple"
    if "key" in parameters:
        assert next(iter(parameters)) == "key" and parameters["key"].default is inspect.Parameter.empty
    if "every" in parameters:
        assert parameters["every"].kind is inspect.Parameter.KEYWORD_ONLY
    for old in ("size", "sizes", "epsilon_list", "qr_every"):
        assert old not in parameters
    assert ">>>" in inspect.getdoc(function), "add an example"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_public_function_shadows_no_module(name):
    assert importlib.util.find_spec(name) is None


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options.__name__)
def test_every_option_is_explained(options):
    assert all(f"{name}:" in options.__doc__ for name in options._fields)


def test_annotations_are_checked_while_tests_run():
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'num_examples'"):
        pathjax.batch_schedule(jax.random.key(0), "ten", batch_size=2, num_epochs=1)
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'inputs'"):
        empirical_ntk(lambda params, x: x, {}, 1.0)
