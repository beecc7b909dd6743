"""Packs small records of many variables while they are gathered: one write per step instead of one per variable."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

MAX_NUMBERS = 1024  # elements per member: larger records gain nothing, and would be stored twice


@functools.partial(jax.tree_util.register_dataclass, data_fields=["columns"], meta_fields=["variables"])
@dataclasses.dataclass
class Packed:
    """`columns` by dtype, (..., member, element), and (name, dtype, shape per member) of each variable."""

    columns: dict[str, jax.Array]
    variables: tuple[tuple[str, str, tuple[int, ...]], ...]


def is_small(record: jax.Array) -> bool:
    """Whether a record (member, ...) is worth packing.

    >>> is_small(jnp.zeros((3, 2))), is_small(jnp.zeros((3, 10_000)))
    (True, False)
    """
    return math.prod(record.shape[1:]) <= MAX_NUMBERS


def pack(records: dict[str, jax.Array]) -> Packed:
    """Packs records (member, ...) side by side.

    >>> packed = pack({"loss": jnp.zeros(3), "leaf_distance": jnp.ones((3, 2)), "first": jnp.zeros(3, int)})
    >>> {dtype: columns.shape for dtype, columns in packed.columns.items()}
    {'float32': (3, 3), 'int32': (3, 1)}
    """
    variables = tuple((name, str(a.dtype), a.shape[1:]) for name, a in records.items())
    columns: dict[str, list] = {}
    for a in records.values():
        columns.setdefault(str(a.dtype), []).append(a.reshape(len(a), math.prod(a.shape[1:])))
    return Packed({dtype: jnp.concatenate(parts, axis=1) for dtype, parts in columns.items()}, variables)


def unpack(packed: Packed) -> dict[str, jax.Array]:
    """Unpacks the records, with any axes that scans have added in front.

    >>> unpack(pack({"loss": jnp.zeros(3), "leaf_distance": jnp.ones((3, 2))}))["leaf_distance"].shape
    (3, 2)
    """
    records, used = {}, dict.fromkeys(packed.columns, 0)
    for name, dtype, shape in packed.variables:
        columns, start = packed.columns[dtype], used[dtype]
        used[dtype] = start + math.prod(shape)
        records[name] = columns[..., start : used[dtype]].reshape(*columns.shape[:-1], *shape)
    return records
