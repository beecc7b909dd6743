"""Functions that compare equal where they compute the same, so that JAX compiles them once.

JAX finds a compiled program again by the functions it was made of, and two calls of one factory return two functions. A
`Function` compares by what its function is made of: its code, its defaults, and the variables that it reads, as they
are when the `Function` is made.
"""

import dataclasses
import dis
import enum
import functools
import re
import types
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

# Of these, equal values do equal things. All else compares by identity.
_PLAIN = (bool, int, str, bytes, range, type(None), type(...), re.Pattern)
_NOTHING = object()  # what a variable holds to which nothing is assigned yet
# Code that looks its variables up in ways that cannot be read off it.
_UNREADABLE = {"globals", "locals", "vars", "eval", "exec", "__import__"}


class Function:
    """A function that equals every other of the same code, defaults and variables.

    Immutable values among them (numbers, strings, tuples, frozen dataclasses, other functions) compare by value, all
    else (arrays, lists, objects) by identity: a variable, or an attribute of one, that is assigned another array makes
    another function, but one that is changed in place (`array *= 2`, `settings["rate"] = 1`) does not: write pure
    functions, and give them other objects. Of variables that the function itself assigns, the place counts.

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
            self._key = _Same(fn)
            self._hash = hash(self._key)

    def __call__(self, *args, **kwargs):
        """What the function returns."""
        return self.fn(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self._hash == other._hash and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Function({self.fn!r})"


def by_value(value: Any) -> Any:
    """A function, or all functions in a (named) tuple, as `Function`s; anything else as it is.

    >>> by_value((abs, 1)) == by_value((abs, 1))
    True
    """
    if isinstance(value, tuple):
        items = map(by_value, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    is_function = callable(value) and not isinstance(value, (Function, type))
    return Function(value) if is_function else value


def compares_by_value(cls: type) -> type:
    """A NamedTuple of functions whose instances are equal if they do the same; a decorator.

    >>> from pathjax.core.types import Undisturbed
    >>> first, second = (Undisturbed(lambda state, batch: state, len) for _ in range(2))
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
    """A NamedTuple whose dicts are never changed, so that they count by value; a decorator.

    >>> from pathjax.symmetry import PermutationSpec
    >>> first, second = (PermutationSpec({"w": ("a",)}, {"a": 3}) for _ in range(2))
    >>> first is second, len({Function(lambda spec=spec: spec) for spec in (first, second)})
    (False, 1)
    """
    cls.has_constants = True  # type: ignore[attr-defined]
    return cls


class _Same:
    """An object that equals itself alone. It is held, so that no other takes its place in memory."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _key_of(value: Any, seen: dict[int, int]) -> Hashable:
    """What a value equals by. `seen` numbers the functions met so far, so that each is described once."""
    if isinstance(value, _Same):
        return value
    if isinstance(value, Function):
        return value._key
    if isinstance(value, types.FunctionType):
        return _key_of_function(value, seen)
    if isinstance(value, types.MethodType):
        return "method", _key_of(value.__func__, seen), _key_of(value.__self__, seen)
    if isinstance(value, types.BuiltinMethodType):
        return "method", value.__name__, _key_of(value.__self__, seen)
    if isinstance(value, functools.partial):
        keywords = tuple(sorted(value.keywords.items()))
        return type(value), *(_key_of(part, seen) for part in (value.func, value.args, keywords))
    if isinstance(value, enum.Enum):
        return _Same(value)
    if isinstance(value, np.generic | np.dtype):
        return (
            type(value),
            str(getattr(value, "dtype", value)),
            value.tobytes() if isinstance(value, np.generic) else b"",
        )
    if type(value) is float:
        return float, value.hex()  # tells -0.0 from 0.0, and knows nan again
    if type(value) is complex:
        return complex, value.real.hex(), value.imag.hex()
    if type(value) in _PLAIN:  # subclasses may have attributes of their own
        return type(value), value
    if isinstance(value, tuple):
        constant = getattr(type(value), "has_constants", False)
        return type(value), *(_key_of(_items(item) if constant else item, seen) for item in value)
    if isinstance(value, frozenset):
        return type(value), frozenset(_key_of(item, seen) for item in value)
    if _is_frozen(value):
        fields = (getattr(value, field.name, None) for field in dataclasses.fields(value))
        return type(value), *(_key_of(field, seen) for field in fields)
    return _Same(value)


def _items(value: Any) -> Any:
    """The items of a dict in a NamedTuple that `holds_constants`."""
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _is_frozen(value: Any) -> bool:
    """A dataclass with a hash, as of Flax's modules; those with a scope are bound to weights."""
    is_instance = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if not is_instance or type(value).__hash__ in (None, object.__hash__):
        return False
    names = {field.name for field in dataclasses.fields(value)}
    is_module = hasattr(value, "scope") and "parent" in names  # Flax keeps books of its own beside the fields
    return value.scope is None if is_module else set(getattr(value, "__dict__", names)) <= names


def _key_of_function(fn: types.FunctionType, seen: dict[int, int]) -> Hashable:
    if id(fn) in seen:
        return "function", seen[id(fn)]
    seen[id(fn)] = len(seen)
    code = _read_of(fn.__code__)
    if not _UNREADABLE.isdisjoint(code.global_names):
        return _Same(fn)
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    # Of variables that it assigns, the place counts and not what is there: a counter of traces may go on.
    variables = {name: _Same(cell) if name in code.assigned else _contents(cell) for name, cell in cells.items()}
    if code.assigned - cells.keys():
        variables |= {"": _Same(fn.__globals__)}
    variables |= {name: fn.__globals__[name] for name in code.global_names if name in fn.__globals__}
    attributes = [_attribute(variables[name], path) for name, *path in code.attributes if name in variables]
    given = (fn.__defaults__, *(tuple(sorted((d or {}).items())) for d in (fn.__kwdefaults__, fn.__dict__)))
    parts = (fn.__globals__.get("__package__"), given, tuple(variables.items()), tuple(attributes))
    return fn.__code__, *(_key_of(part, seen) for part in parts)


def _attribute(value: Any, path: list[str]) -> Any:
    """What `value.a.b` is, as far as it is kept in the objects: no property is called. None for functions."""
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
        return _NOTHING


class _Read(NamedTuple):
    """What code reads and assigns, with the functions in it: global variables; attributes of variables, as (variable,
    attribute, attribute of that, ...); and global or outer variables that it assigns."""

    global_names: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    assigned: frozenset[str]


@functools.lru_cache(maxsize=4096)
def _read_of(code: types.CodeType) -> _Read:
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
            of_inner = _read_of(inner)
            names.update(of_inner.global_names)
            attributes.update(of_inner.attributes)
            assigned |= of_inner.assigned - set(code.co_cellvars)
    return _Read(tuple(sorted(names - assigned)), tuple(sorted(attributes)), frozenset(assigned))
