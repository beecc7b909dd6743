"""The memory of a program on each device: estimated from shapes before compiling, from the compiler afterwards."""

import contextlib
import os
import pathlib
import resource

import jax
from jax.extend.core import Jaxpr, Literal
from jax.sharding import Mesh

CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def of_device(mesh: Mesh | None = None) -> int:
    """Returns the bytes of one device: an accelerator's own memory, or its share of the machine's.

    >>> of_device() > 2**20
    True
    """
    devices = jax.devices()[:1] if mesh is None else list(mesh.devices.flat)
    own = [device for device in devices if device.process_index == jax.process_index()] or jax.local_devices()[:1]
    return (own[0].memory_stats() or {}).get("bytes_limit") or of_machine() // len(own)


def of_machine() -> int:
    """Returns the bytes available to this process: the machine's, its container's, or the limit of `ulimit -v`."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # ValueError: "max", for no limit
            limits.append(int(pathlib.Path(path).read_text()))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(limits + ([] if soft == resource.RLIM_INFINITY else [soft]))


def of_compiled(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes of a compiled program on each device according to the compiler; 0 if it does not report them.

    >>> of_compiled(jax.jit(lambda x: x + 1).lower(jax.ShapeDtypeStruct((1000,), "float32")).compile())
    8000
    """
    stats = compiled.memory_analysis()
    if stats is None:
        return 0
    arguments, outputs = stats.argument_size_in_bytes, stats.output_size_in_bytes - stats.alias_size_in_bytes
    return arguments + outputs + stats.temp_size_in_bytes


def of_one_device(jaxpr: Jaxpr) -> Jaxpr:
    """Returns what each device runs of a program that `shard_map` distributes; any other program is unchanged."""
    distributed = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "shard_map" or len(jaxpr.eqns) == 1]
    inner = [sub for eqn in distributed for sub in inner_programs(eqn)]
    return of_one_device(inner[0]) if inner else jaxpr


def of_traced(jaxpr: Jaxpr) -> int:
    """Returns an upper bound of the bytes that are alive simultaneously in a traced program: arguments, results and
    intermediates.

    An upper bound, because the compiler fuses operations, whose results are then never stored.

    >>> of_traced(jax.make_jaxpr(lambda x: (x + 1).sum())(jax.ShapeDtypeStruct((1000,), "float32")).jaxpr)
    8000
    """
    last_use = {var: i for i, eqn in enumerate(jaxpr.eqns) for var in _vars(eqn.invars)}
    last_use |= dict.fromkeys(_vars(jaxpr.outvars), len(jaxpr.eqns))
    alive = peak = _bytes([*jaxpr.invars, *jaxpr.constvars])
    for i, eqn in enumerate(jaxpr.eqns):
        results = _bytes(eqn.outvars)
        ends = _bytes({var for var in _vars(eqn.invars) if last_use[var] == i})
        inner = max((of_traced(sub) - _bytes(sub.invars) for sub in inner_programs(eqn)), default=0)
        # A loop's results reuse the buffers of its initial carry.
        peak = max(peak, alive + inner + (max(0, results - ends) if inner else results))
        alive += results - ends
    return peak


def _vars(atoms) -> list:
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def _bytes(variables) -> int:
    return sum(_size(var.aval) for var in variables)


def _size(aval) -> int:
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.extended):
        return aval.size * 16  # a key
    return aval.size * aval.dtype.itemsize


def inner_programs(eqn) -> list[Jaxpr]:
    """Returns the programs that an operation runs: the body of a loop, a branch, a function."""
    values = [v for value in eqn.params.values() for v in (value if isinstance(value, tuple | list) else [value])]
    return [getattr(value, "jaxpr", value) for value in values if hasattr(getattr(value, "jaxpr", value), "eqns")]
