"""Labels of axes: which axes are tied, and which are products of others."""

from collections.abc import Sequence
from typing import NamedTuple


class Label(NamedTuple):
    """One factor of an axis: its label number and its number of units. A flattened axis has several, the slowest
    first."""

    number: int
    size: int


Axis = tuple[Label, ...]
FIXED = 0  # the label number of axes that must not be permuted


def fixed(shape: Sequence[int]) -> tuple[Axis, ...]:
    """Returns axes that must not be permuted.

    >>> fixed((2, 3))
    ((Label(number=0, size=2),), (Label(number=0, size=3),))
    """
    return tuple((Label(FIXED, size),) for size in shape)


class Labels:
    """All labels, with ties (union-find) and factorizations."""

    def __init__(self):
        self._parents = [FIXED]
        self._factors: dict[int, Axis] = {}

    def fresh(self, shape: Sequence[int]) -> tuple[Axis, ...]:
        """Returns a new axis for each length."""
        return tuple((self._new(size),) for size in shape)

    def _new(self, size: int) -> Label:
        self._parents.append(len(self._parents))
        return Label(len(self._parents) - 1, size)

    def find(self, axis: Axis) -> Axis:
        """Returns the smallest factors of the axis, each with the label number that represents all tied labels."""
        found: list[Label] = []
        for number, size in axis:
            while self._parents[number] != number:
                number = self._parents[number]
            found += self.find(self._factors[number]) if number in self._factors else [Label(number, size)]
        return tuple(found)

    def tie(self, *axes: Axis) -> Axis:
        """Ties axes: from now on they are permuted together, if at all."""
        for other in axes[1:]:
            self._tie(axes[0], other)
        return self.find(axes[0])

    def fix(self, *axes: Axis) -> None:
        """Fixes axes: from now on they must not be permuted."""
        for axis in axes:
            for number, _ in self.find(axis):
                self._parents[number] = FIXED

    def _tie(self, left: Axis, right: Axis) -> None:
        a, b = list(self.find(left)), list(self.find(right))
        while a and b:
            if a[0].size == b[0].size:
                one, other = a.pop(0), b.pop(0)
                low, high = sorted((one.number, other.number))
                self._parents[high] = low
            else:
                larger, size = (a, b[0].size) if a[0].size > b[0].size else (b, a[0].size)
                if not self._split(larger, size):
                    self.fix(tuple(a), tuple(b))
                    return
            a, b = list(self.find(tuple(a))), list(self.find(tuple(b)))

    def _split(self, factors: list[Label], size: int) -> bool:
        """Splits the first factor into (`size`, rest) if `size` divides it, and returns whether it does."""
        first = factors[0]
        if first.size % size:
            return False
        parts = (Label(FIXED, size), Label(FIXED, first.size // size))
        if first.number != FIXED:
            parts = (self._new(size), self._new(first.size // size))
            self._factors[first.number] = parts
        factors[:1] = parts
        return True
