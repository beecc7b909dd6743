"""The loss of a batch, from the user's loss function."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pathjax.core.calls import call, check_same_kind
from pathjax.core.errors import InputError, require
from pathjax.core.types import Batch, Network, PyTree


class Loss(NamedTuple):
    """A loss function, and what it takes beside weights and examples, as in `pathjax.training_dynamics`.

    Attributes:
        fn: `fn(params[, model_state], examples[, key][, hparams])` returns the mean loss or that of each example, and
            with `model_state` a pair with the new state.
        model_state: whether it takes and returns the model's state.
        stochastic: whether it takes a PRNG key.
        hparams_in_loss: whether it takes the dict of hyperparameters.
    """

    fn: Callable
    model_state: bool = False
    stochastic: bool = False
    hparams_in_loss: bool = False

    def of_batch(
        self, network: Network, batch: Batch, key: Key[Array, ""] | None, hparams: dict
    ) -> tuple[Float[Array, ""], PyTree]:
        """Returns the mean loss of a batch, and the model's state after it.

        >>> loss = Loss(lambda w, x: (w - x) ** 2)
        >>> loss.of_batch(Network(1.0), Batch(jnp.array([0.0, 3.0]), None, None), None, {})
        (Array(2.5, dtype=float32), None)
        """
        loss, state = self._values(network, batch, key, hparams)
        return _mean(loss, batch), state

    def of_each(self, network: Network, batch: Batch, key: Key[Array, ""] | None, hparams: dict) -> Array:
        """Returns what the loss function does: the loss of each example, shape (B,), or the mean, shape ().

        >>> Loss(lambda w, x: (w - x) ** 2).of_each(Network(1.0), Batch(jnp.array([0.0, 3.0]), None, None), None, {})
        Array([1., 4.], dtype=float32)
        """
        return _as_floats(self._values(network, batch, key, hparams)[0])

    def _values(self, network: Network, batch: Batch, key, hparams: dict) -> tuple[Any, PyTree]:
        chosen = {
            "params": (True, network.params),
            "model_state": (self.model_state, network.model_state),
            "examples": (True, batch.examples),
            "key": (self.stochastic, key),
            "hparams": (self.hparams_in_loss, hparams),
        }
        taken = {name: value for name, (is_taken, value) in chosen.items() if is_taken}
        flags = "set model_state, stochastic and hparams_in_loss to what it takes"
        found = call(f"loss_fn({', '.join(taken)})", flags, self.fn, *taken.values())
        return self._split(found, network.model_state)

    def _split(self, found: Any, before: PyTree) -> tuple[Any, PyTree]:
        if not self.model_state:
            is_one = not isinstance(found, (tuple, list, dict))
            also = "return the loss alone, or (loss, model_state) with model_state=True"
            require(is_one, f"loss_fn returned a {type(found).__name__}: {also}")
            return found, before
        is_pair = isinstance(found, tuple) and len(found) == 2
        require(is_pair, "with model_state=True, loss_fn must return (loss, new_model_state)")
        check_same_kind("loss_fn changed model_state", before, found[1])
        return found


def key_of_noise(key: Key[Array, ""] | None, noise: Any) -> Key[Array, ""] | None:
    """Returns the key of a step for a member with this index of noise: the step's own for None and 0.

    >>> keys = [key_of_noise(jax.random.key(3), noise) for noise in (None, jnp.uint32(0), jnp.uint32(1))]
    >>> keys[0] == keys[1], keys[0] == keys[2]
    (Array(True, dtype=bool), Array(False, dtype=bool))
    """
    if key is None or noise is None:
        return key
    return jnp.where(noise == 0, key, jax.random.fold_in(key, noise))


def _as_floats(loss: Any) -> Array:
    is_array = hasattr(loss, "dtype") or isinstance(loss, (float, int))
    require(is_array, f"loss_fn returned a {type(loss).__name__}: return an array of floats")
    loss = jnp.asarray(loss)
    is_float = jnp.issubdtype(loss.dtype, jnp.floating)
    require(is_float, f"loss_fn returned {loss.dtype}, which has no gradient: return floating-point losses")
    return loss


def _mean(loss: Any, batch: Batch) -> Float[Array, ""]:
    """Returns (1/B) sum_i w_i loss_i, or a loss of shape () as it is."""
    loss = _as_floats(loss)
    if loss.ndim == 0 and batch.weights is None:
        return loss
    num = _num_examples(batch)
    if loss.ndim != 1 or num not in (None, len(loss)):
        of = "" if num is None else f" for {num} examples"
        raise InputError(
            f"loss_fn returned shape {loss.shape}{of}: expected (), or (batch,) with example weights; "
            "return one loss for each example"
        )
    return jnp.mean(loss if batch.weights is None else batch.weights * loss)


def _num_examples(batch: Batch) -> int | None:
    """Returns the number of examples, or None if the batch has no examples, as for a map without data."""
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves((batch.weights, batch.examples))]
    return next((shape[0] for shape in shapes if shape), None)
