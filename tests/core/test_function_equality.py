"""Functions compare by their code, their defaults and the variables that they read."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax import models
from pathjax.core.function_equality import Function, by_value
from pathjax.core.types import Dynamics

ARRAY = jnp.arange(3.0)
FACTOR = 2.0


def closed_over(value):
    return lambda x: (x, value)


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        -0.0,
        float("nan"),
        "a",
        None,
        (1, (2.0, "b")),
        np.float32(1),
        jnp.float32,
        np.dtype("int8"),
        frozenset("ab"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_immutable_values_compare_by_value(value):
    assert Function(closed_over(value)) == Function(closed_over(value))
    assert Function(closed_over(value)) != Function(closed_over((value,)))


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (1.0,)), (np.int8(1), np.int32(1))]
)
def test_values_of_other_types_or_signs_differ(one, other):
    assert Function(closed_over(one)) != Function(closed_over(other))


@pytest.mark.parametrize("make", [lambda: jnp.ones(2), lambda: np.ones(2), lambda: [1], dict, object])
def test_other_objects_compare_by_identity(make):
    one = make()
    assert Function(closed_over(one)) == Function(closed_over(one))
    assert Function(closed_over(one)) != Function(closed_over(make()))


def test_reassigning_an_array_makes_another_function():
    array = jnp.ones(2)

    def read(x):
        return x + array

    before = Function(read)
    assert Function(read) == before
    array = jnp.ones(2)
    assert Function(read) != before


def test_reassigning_a_global_makes_another_function(monkeypatch):
    def through(x):
        return inner(x)

    def inner(x):
        return FACTOR * ARRAY + x

    before = Function(through)
    assert Function(through) == before
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert Function(through) != before
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert Function(through) == before
    monkeypatch.setitem(globals(), "ARRAY", jnp.arange(3.0))
    assert Function(through) != before


class Options:
    """A user's container of numbers and arrays."""

    scale = 1.0
    offset = jnp.zeros(2)


def test_reassigning_attributes_makes_another_function(monkeypatch):
    given, nested = types.SimpleNamespace(scale=1.0), types.SimpleNamespace(inner=types.SimpleNamespace(a=jnp.ones(2)))
    functions = [
        lambda x: given.scale * x,
        lambda x: Options.scale * x + Options.offset,
        lambda x: (lambda y: nested.inner.a + y)(x),
    ]
    before = [Function(fn) for fn in functions]
    assert [Function(fn) for fn in functions] == before
    monkeypatch.setattr(given, "scale", 2.0)
    monkeypatch.setattr(Options, "offset", jnp.zeros(2))
    monkeypatch.setattr(nested.inner, "a", jnp.ones(2))
    assert all(Function(fn) != old for fn, old in zip(functions, before, strict=True))


@dataclasses.dataclass(frozen=True)
class Pair:
    """A constant with a field that is left out of its comparison."""

    a: float
    b: float = dataclasses.field(compare=False, default=0.0)


class Named(int):
    """An int subclass, whose instances can have attributes."""


def test_values_that_seem_equal_but_differ():
    named = [Named(1), Named(1)]
    pairs = [
        (Pair(1.0, 2.0), Pair(1.0, 3.0)),
        (complex(0, 0.0), complex(0, -0.0)),
        (np.timedelta64(1, "s"), np.timedelta64(1, "ms")),
        (named[0], named[1]),
    ]
    assert all(Function(closed_over(a)) != Function(closed_over(b)) for a, b in pairs)
    assert Function(closed_over(Pair(1.0, 2.0))) == Function(closed_over(Pair(1.0, 2.0)))


def test_attributes_of_functions_and_wrapped_functions_are_compared():
    def scaled(scale):
        def inner(x):
            return inner.scale * x

        inner.scale = scale
        return inner

    def wrapped(fn):
        @functools.wraps(fn)
        def outer(x):
            return outer.__wrapped__(x)

        return outer

    assert Function(scaled(2.0)) == Function(scaled(2.0)) != Function(scaled(3.0))
    assert Function(wrapped(scaled(2.0))) != Function(wrapped(scaled(3.0)))


def test_a_variable_that_is_assigned_and_read_compares_by_cell():
    def assigning(s):
        def inner(x):
            nonlocal s
            s = s * 1
            return s * x

        return inner

    one = assigning(2.0)
    assert Function(one) == Function(one) and Function(assigning(2.0)) != Function(assigning(3.0))


def test_code_with_dynamic_lookups_and_code_of_other_packages_differ():
    text = "def f(x):\n    from .const import K\n    return K * x\ndef g(x):\n    return eval('x')"
    spaces = [{"__package__": name} for name in ("a", "a", "b")]
    for space in spaces:
        exec(text, space)
    assert Function(spaces[0]["f"]) == Function(spaces[1]["f"]) != Function(spaces[2]["f"])
    assert Function(spaces[0]["g"]) == Function(spaces[0]["g"]) != Function(spaces[1]["g"])


def test_a_very_long_chain_of_functions_compares_by_identity():
    chain = {"f0": lambda x: x}
    for i in range(1, 2000):
        chain[f"f{i}"] = eval(f"lambda x: f{i - 1}(x)", chain)
    assert Function(chain["f1999"]) == Function(chain["f1999"])


def test_values_that_a_function_assigns_itself_are_not_compared():
    """For example, a function may count its traces."""
    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return x

    before = Function(counted)
    counted(1)
    assert count == 1 and Function(counted) == before


def test_code_defaults_and_inner_functions_are_compared():
    def made(inner, default=1):
        def outer(x, more=default, *, also=default):
            return inner(x) + more + also

        return outer

    def double(x):
        return 2 * x

    assert Function(made(closed_over(1))) == Function(made(closed_over(1)))
    assert Function(made(closed_over(1))) != Function(made(closed_over(2)))
    assert Function(made(double)) != Function(made(lambda x: 2 * x))
    assert Function(made(double, 1)) != Function(made(double, 2))


def test_recursive_functions_are_compared():
    def pair(step):
        def even(n):
            return n == 0 or odd(n - step)

        def odd(n):
            return n != 0 and even(n - step)

        return even

    assert Function(pair(1)) == Function(pair(1)) and Function(pair(1)) != Function(pair(2))


def test_partials_methods_and_networks():
    def two(a, b):
        return a + b

    assert Function(functools.partial(two, b=1)) == Function(functools.partial(two, b=1))
    assert Function(functools.partial(two, b=1)) != Function(functools.partial(two, b=2))

    def network(width):
        weights = models.Weights("lecun_normal", "zeros", models.Parametrization("standard", 0.5, 64))
        return models.MLP((width,), 10, "relu", weights)

    assert Function(network(4).apply) == Function(network(4).apply) != Function(network(5).apply)


def test_a_network_that_is_bound_to_weights_compares_by_identity():
    weights = models.Weights("lecun_normal", "zeros", models.Parametrization("standard", 0.5, 64))
    network = models.MLP((2,), 2, "relu", weights)
    variables = network.init(jax.random.key(0), jnp.ones((1, 3)))
    bound = [network.bind(variables) for _ in range(2)]
    assert Function(closed_over(bound[0])) == Function(closed_over(bound[0])) != Function(closed_over(bound[1]))


def test_equal_calls_of_a_factory_give_equal_results_with_one_hash():
    def dynamics(rate=0.1):
        return pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(rate))

    assert (dynamics() == dynamics()) is not (dynamics() != dynamics()) and hash(dynamics()) == hash(dynamics())
    assert dynamics() != dynamics(0.2) and dynamics() != tuple(dynamics())
    assert isinstance(by_value(dynamics()), Dynamics) and by_value(dynamics()) == by_value(dynamics())
    assert pathjax.on_sphere() == pathjax.on_sphere() != pathjax.on_sphere(per_leaf=False)
    distance = pathjax.observables.weight_distance
    assert distance(every=2) == distance(every=2) != distance(every=3)
