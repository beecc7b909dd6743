"""Records of a rollout on disk, chunk by chunk, for those that do not fit into memory."""

import pathlib
from collections.abc import Iterable
from typing import IO

import numpy as np

from pathjax.core.errors import require
from pathjax.engine.rollout import Chunk, Rollout


def stream(chunks: Iterable[Chunk], folder: str | pathlib.Path) -> tuple[Chunk, dict[str, np.ndarray]]:
    """Runs a rollout and writes its records to disk as they come; memory holds those of one chunk.

    Args:
        chunks: of `pathjax.rollout_chunks`, from the first step on.
        folder: where to write a file NAME.npy for each record; it must not hold such files yet.

    Returns:
        The last Chunk, and the records by name, as NumPy arrays that are read from the files where they are indexed.

    Raises:
        InputError: if a file already exists, or `chunks` is empty or of something else.

    >>> import tempfile, pathjax, jax, jax.numpy as jnp
    >>> doubling, key = pathjax.map_dynamics(lambda x, batch: 2 * x), jax.random.key(0)
    >>> made = {"epsilons": [0.1], "num_seeds": 1}
    >>> ensemble = pathjax.perturbed_ensemble(key, doubling, jnp.ones(9), pathjax.gaussian(), **made)
    >>> schedule = pathjax.batch_schedule(key, 4, 1, num_steps=4)
    >>> rollout = doubling, ensemble, jnp.zeros(4), schedule, [pathjax.observables.weight_norm()]
    >>> last, records = stream(pathjax.rollout_chunks(*rollout), tempfile.mkdtemp())
    >>> last.step, records["weight_norm"].shape, records["weight_norm"][-1, 0].item()
    (4, (5, 4), 48.0)
    """
    made = "chunks must be the iterator that rollout_chunks returns"
    require(not isinstance(chunks, Rollout), f"{made}, not a finished Rollout, whose records are in memory already")
    place = pathlib.Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files: dict[str, IO[bytes]] = {}
    counts: dict[str, int] = {}
    chunk = None
    try:
        for chunk in chunks:
            for name, array in chunk.records.items():
                if name not in files:
                    path = place / f"{name}.npy"
                    require(not path.exists(), f"{path} already exists: choose another folder, or move it away")
                    files[name], counts[name] = path.open("xb+"), 0
                    _write_header(files[name], array, 0)
                files[name].write(np.ascontiguousarray(array).tobytes())
                counts[name] += len(array)
                _write_header(files[name], array, counts[name])
    finally:
        for file in files.values():
            file.close()
    require(chunk is not None, f"{made}, not an empty one")
    return chunk, {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in files}  # type: ignore[return-value]


def _write_header(file: IO[bytes], array: np.ndarray, num_rows: int) -> None:
    """Writes the header of a .npy file, whose length does not depend on the number of rows; then goes to the end.

    So the file is valid after every chunk, even if the process is killed.
    """
    file.seek(0)
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, header | {"shape": (num_rows, *array.shape[1:])})
    file.seek(0, 2)
