"""Functions that compare equal if they compute the same, so that JAX compiles them once.

JAX looks up a compiled program by the functions it was built from, and two calls of one factory return two functions. A
`Function` compares by what defines its function: its code, its defaults, and the variables that it reads, with the
values they have when the `Function` is created.
"""

import dataclasses
import dis
import enum
import functools
import re
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

# Equal values of these types are interchangeable. All other objects compare by identity.
_PLAIN = (bool, int, str, bytes, range, type(None), type(...), re.Pattern)
_UNASSIGNED = object()  # stands for the value of a variable that is not assigned yet
# The functions of these packages' modules exist once, and read nothing that changes: they compare by identity.
_LIBRARIES = {"jax", "optax", "flax", "equinox", "numpy", "pathjax"}
# Code that uses these names may read variables that its bytecode does not show.
_DYNAMIC_LOOKUPS = {"globals", "locals", "vars", "eval", "exec", "__import__"}


class Function:
    """A function that equals every other function with the same code, defaults and variables.

    Immutable values (numbers, strings, tuples, frozen dataclasses, other functions) compare by value, everything else
    (arrays, lists, objects) by identity. Assigning another array to a variable or attribute that the function reads
    makes another function; changing it in place (`array *= 2`, `settings["rate"] = 1`) does not. So write pure
    functions and pass them new objects. Variables that the function itself assigns compare by their cell, and functions
    that a library's module defines compare by identity.

    >>> def scaled(factor):
    ...     return lambda x: factor * x
    >>> Function(scaled(2)) == Function(scaled(2)), Function(scaled(2)) == Function(scaled(3))
    (True, False)
    """

    __slots__ = ("_hash", "_key", "fn")

    def __init__(self, fn: Callable):
        self.fn = fn
        try:
            self._key = _key_of(fn, {})
            self._hash = hash(self._key)
        except RecursionError:  # a very long chain of functions
            self._key = _ById(fn)
            self._hash = hash(self._key)

    def __call__(self, *args, **kwargs):
        """Calls the function."""
        return self.fn(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self._hash == other._hash and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Function({self.fn!r})"


def by_value(value: Any) -> Any:
    """Wraps a function, or each function in a (named) tuple, in a `Function`; returns anything else unchanged.

    >>> by_value((abs, 1)) == by_value((abs, 1))
    True
    """
    if isinstance(value, tuple):
        items = map(by_value, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    is_function = callable(value) and not isinstance(value, (Function, type))
    return Function(value) if is_function else value


def compares_by_value(cls: type) -> type:
    """Class decorator: instances of a NamedTuple of functions are equal if their functions compute the same.

    >>> from pathjax.core.types import FastStep
    >>> first, second = (FastStep(lambda state, batch: state, len) for _ in range(2))
    >>> first == second, first == first._replace(num_steps=sum)
    (True, False)
    """

    def equal(self, other: object) -> bool:
        return type(self) is type(other) and tuple.__eq__(by_value(self), by_value(other))

    methods = {
        "__eq__": equal,
        "__ne__": lambda self, other: not equal(self, other),
        "__hash__": lambda self: tuple.__hash__(by_value(self)),
    }
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def holds_constants(cls: type) -> type:
    """Class decorator: the dicts in this NamedTuple never change, so they compare by value.

    >>> from pathjax.symmetry import PermutationSpec
    >>> first, second = (PermutationSpec({"w": ("a",)}, {"a": 3}) for _ in range(2))
    >>> first is second, len({Function(lambda spec=spec: spec) for spec in (first, second)})
    (False, 1)
    """
    cls.has_constants = True  # type: ignore[attr-defined]
    return cls


class _ById:
    """Compares an object by identity. It keeps the object alive, so that no other object can get its id."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _key_of(value: Any, seen: dict[int, int]) -> Hashable:
    """The key by which a value compares. `seen` numbers the functions visited so far, so that each gets one key."""
    if isinstance(value, _ById):
        return value
    if isinstance(value, Function):
        return value._key
    if isinstance(value, types.FunctionType):
        return _ById(value) if _is_of_library(value) else _key_of_function(value, seen)
    if isinstance(value, types.MethodType):
        return "method", _key_of(value.__func__, seen), _key_of(value.__self__, seen)
    if isinstance(value, types.BuiltinMethodType):
        return "method", value.__name__, _key_of(value.__self__, seen)
    if isinstance(value, functools.partial):
        keywords = tuple(sorted(value.keywords.items()))
        return type(value), *(_key_of(part, seen) for part in (value.func, value.args, keywords))
    if isinstance(value, enum.Enum):
        return _ById(value)
    if isinstance(value, np.generic | np.dtype):
        return (
            type(value),
            str(getattr(value, "dtype", value)),
            value.tobytes() if isinstance(value, np.generic) else b"",
        )
    if type(value) is float:
        return float, value.hex()  # distinguishes -0.0 from 0.0, and NaN equals itself
    if type(value) is complex:
        return complex, value.real.hex(), value.imag.hex()
    if type(value) in _PLAIN:  # subclasses may have additional attributes
        return type(value), value
    if isinstance(value, tuple):
        constant = getattr(type(value), "has_constants", False)
        return type(value), *(_key_of(_items(item) if constant else item, seen) for item in value)
    if isinstance(value, frozenset):
        return type(value), frozenset(_key_of(item, seen) for item in value)
    if _is_frozen(value):
        fields = (getattr(value, field.name, None) for field in dataclasses.fields(value))
        return type(value), *(_key_of(field, seen) for field in fields)
    return _ById(value)


def _items(value: Any) -> Any:
    """The sorted items of a dict; any other value unchanged."""
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _is_frozen(value: Any) -> bool:
    """Whether a value is a hashable dataclass, such as a Flax module; a module with a scope is bound to weights."""
    is_instance = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if not is_instance or type(value).__hash__ in (None, object.__hash__):
        return False
    names = {field.name for field in dataclasses.fields(value)}
    is_module = hasattr(value, "scope") and "parent" in names  # Flax adds attributes beside the fields
    return value.scope is None if is_module else set(getattr(value, "__dict__", names)) <= names


def _is_of_library(fn: types.FunctionType) -> bool:
    """Whether a function stands in a module of a library, rather than being made by another function."""
    module = fn.__module__ or ""
    return module.partition(".")[0] in _LIBRARIES and getattr(sys.modules.get(module), fn.__qualname__, None) is fn


def _key_of_function(fn: types.FunctionType, seen: dict[int, int]) -> Hashable:
    if id(fn) in seen:
        return "function", seen[id(fn)]
    seen[id(fn)] = len(seen)
    code = _names_in(fn.__code__)
    if not _DYNAMIC_LOOKUPS.isdisjoint(code.global_names):
        return _ById(fn)
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    # Variables that it assigns compare by cell, not by value, so that a function may count its traces.
    variables = {name: _ById(cell) if name in code.assigned else _contents(cell) for name, cell in cells.items()}
    if code.assigned - cells.keys():
        variables |= {"": _ById(fn.__globals__)}
    variables |= {name: fn.__globals__[name] for name in code.global_names if name in fn.__globals__}
    attributes = [_attribute(variables[name], path) for name, *path in code.attributes if name in variables]
    given = (fn.__defaults__, *(tuple(sorted((d or {}).items())) for d in (fn.__kwdefaults__, fn.__dict__)))
    parts = (fn.__globals__.get("__package__"), given, tuple(variables.items()), tuple(attributes))
    return fn.__code__, *(_key_of(part, seen) for part in parts)


def _attribute(value: Any, path: list[str]) -> Any:
    """The value of `value.a.b` if the objects store it; no property is called. None for functions."""
    for name in path:
        owners = [value, *(value if isinstance(value, type) else type(value)).__mro__]
        found = next((vars(owner)[name] for owner in owners if name in getattr(owner, "__dict__", {})), None)
        if found is None or callable(found) or hasattr(type(found), "__get__"):
            return None
        value = found
    return value


def _contents(cell) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _UNASSIGNED


class _Names(NamedTuple):
    """What code and its inner functions read and assign: the global variables they read; the attributes they read, as
    (variable, attribute, attribute of that, ...); and the global or outer variables they assign."""

    global_names: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    assigned: frozenset[str]


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> _Names:
    names, attributes, assigned = set(), set(), set()
    path: tuple[str, ...] = ()
    for instruction in dis.get_instructions(code):
        name, what = instruction.argval, instruction.opname
        if path and what in ("LOAD_ATTR", "LOAD_METHOD"):
            path = (*path, name)
            attributes.add(path)
            continue
        path = (name,) if what in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF") else ()
        if what in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(name)
        elif what == "STORE_GLOBAL" or (what == "STORE_DEREF" and name in code.co_freevars):
            assigned.add(name)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            of_inner = _names_in(inner)
            names.update(of_inner.global_names)
            attributes.update(of_inner.attributes)
            assigned |= of_inner.assigned - set(code.co_cellvars)
    return _Names(tuple(sorted(names - assigned)), tuple(sorted(attributes)), frozenset(assigned))
