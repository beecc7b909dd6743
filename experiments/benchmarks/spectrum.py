"""The cost of a spectrum compared with plain training, and with lyapax on the raveled problem."""

import importlib.util
import warnings

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

import pathjax
from pathjax.core.trees import merge
from pathjax.experiments.benchmarks.networks import momentum_mlp
from pathjax.experiments.benchmarks.paired import Suite, Timed, timed
from pathjax.tangents.propagate import advance, random_tangents, split_moving, to_groups

BATCH, STEPS, ROUNDS, K, QR_EVERY = 128, 50, 15, 8, 10


def suite() -> Suite:
    """Returns the suite: MLP 784-256-10, batch 128, k = 8."""
    return Suite(f"MLP 784-256-10, batch {BATCH}, SGD with momentum, one trajectory", _programs, ROUNDS)


def _programs() -> dict[str, Timed]:
    dynamics, params, hparams, examples = momentum_mlp(256)
    schedule = pathjax.batch_schedule(jax.random.key(0), len(examples[1]), BATCH, num_steps=STEPS)
    step_fn, rows = pathjax.scheduled_step(dynamics, examples, schedule)
    state = dynamics.init(params, hparams)
    tangents = random_tangents(jax.random.key(1), state, K)

    @jax.jit
    def plain(step_fn, state):
        return jax.lax.scan(lambda state, row: (step_fn(state, row), None), state, rows)[0]

    @jax.jit
    def tangents_alone(step_fn, state, tangents):
        def step(carry, row):
            return advance(lambda state: step_fn(state, row), *carry), None

        return jax.lax.scan(step, (state, to_groups(tangents)), rows)[0]

    def spectrum(chunk=None):
        return pathjax.lyapunov_spectrum(
            jax.random.key(0),
            step_fn,
            state,
            rows,
            k=K,
            options=pathjax.SpectrumOptions(renormalize_every=QR_EVERY, tangents=tangents, tangent_chunk=chunk),
        )

    programs = {
        "plain step": lambda: plain(step_fn, state),
        f"{K} tangents, no QR": lambda: tangents_alone(step_fn, state, tangents),
        f"lyapunov_spectrum, k={K}, renormalize_every={QR_EVERY}": spectrum,
        "the same, tangents in one batch (tangent_chunk=8)": lambda: spectrum(K),
    }
    if importlib.util.find_spec("lyapax"):
        programs["lyapax on the raveled problem, the same"] = _lyapax(step_fn, state, rows)
    return {name: timed(program, STEPS) for name, program in programs.items()}


def _lyapax(step_fn, state, rows):
    """Returns the program in lyapax, which takes a flat float vector and no rows: the vector holds the step index."""
    import lyapax

    moving, rest = split_moving(state)
    flat, unravel = ravel_pytree(moving)

    def step(vector):
        index = jax.lax.stop_gradient(vector[-1]).astype(jnp.int32)
        row = jax.tree.map(lambda a: a[index], rows)
        after = step_fn(merge(unravel(vector[:-1]), rest)._replace(step=index), row)
        return jnp.append(ravel_pytree(split_moving(after)[0])[0], vector[-1] + 1)

    @jax.jit
    def run(vector):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lyapax warns about float32, which all programs use
            return lyapax.lyapunov_spectrum(step, vector, 1.0, n_steps=STEPS, k=K, renorm_every=QR_EVERY).exponents

    start = jnp.append(flat, 0)
    return lambda: run(start)
