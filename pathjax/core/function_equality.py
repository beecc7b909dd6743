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
from typing import Any

import numpy as np

# Of these, equal values do equal things. All else compares by identity.
_PLAIN = (int, str, bytes, complex, range, type(None), type(...), np.dtype, re.Pattern)


class Function:
    """A function that equals every other of the same code, defaults and variables.

    Immutable values among them (numbers, strings, tuples, frozen dataclasses, other functions) compare by value, all
    else (arrays, lists, objects) by identity: a variable that is assigned another array makes another function.
    Variables that the function itself assigns do not count.

    >>> def scaled(factor):
    ...     return lambda x: factor * x
    >>> Function(scaled(2)) == Function(scaled(2)), Function(scaled(2)) == Function(scaled(3))
    (True, False)
    """

    __slots__ = ("_hash", "_key", "fn")

    def __init__(self, fn: Callable):
        self.fn = fn
        self._key = _key_of(fn, {})
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
    if isinstance(value, float):
        return type(value), value.hex()  # tells -0.0 from 0.0, and knows nan again
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, np.generic):
        return type(value), value.tobytes()
    if isinstance(value, tuple):
        constant = getattr(type(value), "has_constants", False)
        return type(value), *(_key_of(_items(item) if constant else item, seen) for item in value)
    if isinstance(value, frozenset):
        return type(value), frozenset(_key_of(item, seen) for item in value)
    if _is_frozen(value):
        fields = (getattr(value, field.name, None) for field in dataclasses.fields(value) if field.compare)
        return type(value), *(_key_of(field, seen) for field in fields)
    return _Same(value)


def _items(value: Any) -> Any:
    """The items of a dict in a NamedTuple that `holds_constants`."""
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _is_frozen(value: Any) -> bool:
    """A dataclass with a hash, as of Flax's modules; those with a scope are bound to weights."""
    is_instance = dataclasses.is_dataclass(value) and not isinstance(value, type)
    has_hash = type(value).__hash__ not in (None, object.__hash__)
    return is_instance and has_hash and getattr(value, "scope", None) is None


def _key_of_function(fn: types.FunctionType, seen: dict[int, int]) -> Hashable:
    if id(fn) in seen:
        return "function", seen[id(fn)]
    seen[id(fn)] = len(seen)
    globals_read, assigned = _names(fn.__code__)
    cells = zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True)
    variables = [(name, _contents(cell)) for name, cell in cells if name not in assigned]
    variables += [(name, fn.__globals__[name]) for name in globals_read if name in fn.__globals__]
    defaults = (fn.__defaults__, tuple(sorted((fn.__kwdefaults__ or {}).items())))
    return fn.__code__, *(_key_of(part, seen) for part in (defaults, tuple(variables)))


def _contents(cell) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is assigned yet
        return None


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """The global variables that code reads, and the global or outer variables that it assigns; nested code included."""
    read, assigned = set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(instruction.argval)
        elif instruction.opname == "STORE_GLOBAL" or (
            instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars
        ):
            assigned.add(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            inner_read, inner_assigned = _names(inner)
            read.update(inner_read)
            assigned |= inner_assigned - set(code.co_cellvars)
    return tuple(sorted(read - assigned)), frozenset(assigned)
