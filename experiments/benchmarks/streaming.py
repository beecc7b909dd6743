"""What it costs to read examples from a file chunk by chunk, and to send curves to a tracker."""

import functools
import pathlib
import tempfile
from collections.abc import Iterator

import jax
import numpy as np

import pathjax
from pathjax import observables as obs
from pathjax.data import ArraySource
from pathjax.experiments.benchmarks.networks import momentum_mlp
from pathjax.experiments.benchmarks.paired import WARM_UP, Suite, Timed, steps_here, timed
from pathjax.experiments.benchmarks.rollouts import members_of, timed_chunks
from pathjax.io.trackers import tensorboard

BATCH, STEPS, ROUNDS = 64, 80, 11  # steps: of a chunk, as by default for these examples
TRACKED_STEPS = 200  # of a chunk
NUM_IN_FILE, NUM_IN_MEMORY = 1_300_000, 60_000  # images of 28 x 28 floats: 3.8 GiB, and the part that is in memory
PART = 10_000  # images that are written at a time


def suites() -> Iterator[Suite]:
    """Yields the suites: few and many members of MLP 784-100-10, batch 64."""
    for members in (10, 100):
        network = f"{members} members of MLP 784-100-10, batch {BATCH}"
        make = functools.partial(_sources, members)
        yield Suite(f"What data in files cost: {network}, chunks of {STEPS} steps", make, ROUNDS, members)
        yield Suite(f"What a tracker costs: {network}", functools.partial(_trackers, members), ROUNDS, members)


def _sources(num_members: int) -> dict[str, Timed]:
    folder = tempfile.TemporaryDirectory(prefix="pathjax-benchmark-")
    floats, pixels = (_written(pathlib.Path(folder.name), dtype) for dtype in (np.float32, np.uint8))
    labels = (np.arange(NUM_IN_FILE) % 10).astype(np.int32)
    part = slice(0, NUM_IN_MEMORY)
    return {
        "in memory": _program(num_members, (np.asarray(floats[part]), labels[part])),
        "the same images in a mapped file": _program(num_members, ArraySource((floats[part], labels[part]))),
        "3.8 GiB of images in a mapped file": _program(num_members, ArraySource((floats, labels))),
        "as many as bytes, converted": _program(num_members, ArraySource((pixels, labels), _converted), folder.cleanup),
    }


def _program(num_members: int, dataset, close=lambda: None) -> Timed:
    dynamics, params, hparams, _ = momentum_mlp(100)
    ensemble, steps = members_of(num_members, dynamics, params, hparams), steps_here(STEPS)
    num = len(dataset[1]) if isinstance(dataset, tuple) else len(dataset)
    num_steps = (2 * (ROUNDS + WARM_UP) + 1) * steps
    schedule = pathjax.batch_schedule(jax.random.key(0), num, BATCH, num_steps=num_steps)
    program = timed_chunks(dynamics, ensemble, dataset, schedule, [obs.weight_distance(every=10)], steps)
    return program._replace(close=close)


def _converted(read: tuple) -> tuple:
    inputs, labels = read
    return np.divide(inputs, np.float32(255), dtype=np.float32), labels


def _written(folder: pathlib.Path, dtype) -> np.ndarray:
    """Returns a mapped file of random images."""
    path = folder / f"{np.dtype(dtype).name}.npy"
    images = np.lib.format.open_memmap(path, "w+", dtype, (NUM_IN_FILE, 784))
    rng = np.random.default_rng(0)
    for start in range(0, NUM_IN_FILE, PART):
        drawn = rng.integers(0, 256, (PART, 784), np.uint8)
        images[start : start + PART] = drawn if dtype == np.uint8 else drawn.astype(dtype) / 255
    images.flush()
    return np.load(path, mmap_mode="r")


def _trackers(num_members: int) -> dict[str, Timed]:
    dynamics, params, hparams, examples = momentum_mlp(100)
    ensemble, steps = members_of(num_members, dynamics, params, hparams), steps_here(TRACKED_STEPS)
    num_steps = 2 * (ROUNDS + WARM_UP) * steps
    schedule = pathjax.batch_schedule(jax.random.key(0), len(examples[1]), BATCH, num_steps=num_steps)
    observables = [obs.weight_distance(every=10), obs.weight_norm(every=10), obs.batch_loss(every=10)]

    def program(send) -> Timed:
        chunks = pathjax.rollout_chunks(
            dynamics, ensemble, examples, schedule, observables, pathjax.RolloutOptions(chunk_length=steps)
        )
        send(next(chunks))

        def chunk():
            found = next(chunks)
            send(found)
            return found.loop

        return timed(chunk, steps)

    folder = tempfile.TemporaryDirectory(prefix="pathjax-benchmark-")
    sent = program(tensorboard(folder.name, ensemble.members, num_steps))
    return {"no tracker": program(lambda chunk: None), "TensorBoard": sent._replace(close=folder.cleanup)}
