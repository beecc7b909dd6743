"""Short descriptions of results: shapes, roles and the main numbers, in place of all values."""

import html
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

MAX_ENTRIES = 8  # of a dict
MAX_VALUES = 6  # of an array; of a longer vector, the first and the last ones
MAX_FETCHED = 10_000  # numbers: larger arrays stay on their device
MAX_LENGTH = 100  # characters of anything else
MAX_LINES = 28

T = TypeVar("T", bound=type)


def shown_in_short(cls: T) -> T:
    """Gives a NamedTuple a `repr` of a few lines, one for each field, and the same as a table for notebooks.

    Fields that are None or empty are left out, and those named in the class's `hidden`.

    >>> from typing import NamedTuple
    >>> @shown_in_short
    ... class Found(NamedTuple):
    ...     values: np.ndarray
    ...     num_steps: int
    >>> Found(np.zeros((300, 4)), 300)
    Found
      values: float64[300, 4]
      num_steps: 300
    """
    cls.__repr__ = _as_text  # type: ignore[method-assign, assignment]
    cls._repr_html_ = _as_html  # type: ignore[attr-defined]
    return cls


def describe(value: Any) -> str:
    """Describes a value in one line: the type, shape and main numbers of an array, the size of a tree.

    >>> describe(np.array([0.5, 0.25])), describe({"w": np.zeros((3, 4)), "b": np.zeros(4)}), describe("sgd")
    ('float64[2]: 0.5, 0.25', '2 arrays, 16 numbers, float64', "'sgd'")
    """
    if isinstance(value, (str, bool, int, float)):
        return _of_number(value) if isinstance(value, float) else _cut(repr(value))
    if hasattr(value, "described"):
        return _cut(value.described())
    if _is_array(value):
        return _of_array(value)
    if hasattr(value, "data_vars"):  # of xarray
        sizes = ", ".join(f"{name} {size}" for name, size in value.sizes.items())
        return _cut(f"{len(value.data_vars)} variables ({sizes})")
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__qualname__.replace('.<locals>', '')}()"
    if type(value).__repr__ is _as_text:
        fields = [f"{name}={describe(one)}" for name, one in _shown(value)]
        return _cut(f"{type(value).__name__}: {', '.join(fields)}")
    leaves = jax.tree.leaves(value)
    if leaves and all(map(_is_array, leaves)):
        return _of_pair(value) if isinstance(value, (tuple, list)) and len(value) < 3 else _of_tree(leaves)
    if type(value) in (tuple, list) and value:
        return _cut(", ".join(f"({describe(one)})" if type(one) in (tuple, list) else describe(one) for one in value))
    return _cut(repr(value))


def _as_text(self) -> str:
    return "\n".join([type(self).__name__, *(f"{'  ' * depth}{line}" for depth, line in _few_lines(self))])


def _few_lines(value: Any) -> list[tuple[int, str]]:
    lines = list(_lines(value, 1))
    rest = len(lines) - MAX_LINES + 1
    return lines if rest < 2 else [*lines[:-rest], (1, f"... {rest} more lines")]


def _as_html(self) -> str:
    rows = "".join(
        f"<tr><td style='text-align:left;padding-left:{depth}em'>{html.escape(name.rstrip(':'))}</td>"
        f"<td style='text-align:left'>{html.escape(rest)}</td></tr>"
        for depth, line in _few_lines(self)
        for name, _, rest in [line.partition(": ")]
    )
    return f"<b>{type(self).__name__}</b><table style='color:inherit'>{rows}</table>"


def _lines(value: Any, depth: int) -> Iterator[tuple[int, str]]:
    """Yields lines with their depth: one for each field, and deeper ones for what it consists of."""
    for name, one in _shown(value):
        if isinstance(one, Mapping):
            yield depth, f"{name}:"
            for key in list(one)[:MAX_ENTRIES]:
                yield depth + 1, f"{key}: {describe(one[key])}"
            if len(one) > MAX_ENTRIES:
                yield depth + 1, f"... {len(one) - MAX_ENTRIES} more"
        elif type(one).__repr__ is _as_text and not hasattr(one, "described"):
            yield depth, f"{name}:"
            yield from _lines(one, depth + 1)
        else:
            yield depth, f"{name}: {describe(one)}"


def _shown(value: Any) -> list[tuple[str, Any]]:
    """Returns the names and values of the fields that are shown."""
    hidden = getattr(value, "hidden", ())
    each = zip(value._fields, value, strict=True)
    return [(name, one) for name, one in each if name not in hidden and not _is_empty(one)]


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _of_pair(values: Any) -> str:
    """Describes inputs and labels, say, by their shapes; a tree among them by its size."""
    return _cut(", ".join(_type_of(one) if _is_array(one) else describe(one) for one in values))


def _type_of(array: Any) -> str:
    return f"{array.dtype}[{', '.join(map(str, array.shape))}]"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (Mapping, tuple, list)) and not value)


def _of_array(array: Any) -> str:
    what = _type_of(array)
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        return what
    size = int(np.prod(array.shape))
    if len(array.shape) > 1 or not 0 < size <= MAX_FETCHED or not _is_here(array):
        return what
    values = [_of_number(value) for value in np.asarray(array).ravel()]
    if len(values) > 1 and len(set(values)) == 1:
        return f"{what}: all {values[0]}"
    if len(values) > MAX_VALUES:
        values = [*values[: MAX_VALUES - 2], "...", values[-1]]
    return f"{what}: {', '.join(values)}"


def _is_here(array: Any) -> bool:
    """Whether the values of an array can be read: it is not traced, not deleted, and not on other hosts."""
    if isinstance(array, jax.core.Tracer):
        return False
    return not isinstance(array, jax.Array) or (not array.is_deleted() and array.is_fully_addressable)


def _of_number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else _cut(str(value))


def _of_tree(leaves: list) -> str:
    total = sum(int(np.prod(leaf.shape)) for leaf in leaves)
    types = ", ".join(dict.fromkeys(str(leaf.dtype) for leaf in leaves))
    return f"{len(leaves)} array{'s' * (len(leaves) > 1)}, {total:,} numbers, {types}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 3] + "..."
