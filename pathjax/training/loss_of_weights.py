"""The loss on a batch as a function of a state's weights alone, with its derivatives."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.types import Batch, Network, PyTree, State
from pathjax.training.loss import Loss, key_of_noise
from pathjax.training.microbatches import in_microbatches


@shown_in_short
class LossOfWeights(NamedTuple):
    """The loss at a state's hyperparameters, model state and noise, for any float leaves of the weights.

    Attributes:
        loss: the loss function, and what it takes.
        state: the state; `floats` are the float leaves of its weights.
        batch: the examples.
        microbatch: number of examples per derivative, which are averaged; None: all.
    """

    loss: Loss
    state: State
    batch: Batch
    microbatch: int | None = None

    @property
    def floats(self) -> PyTree:
        """The float leaves of the state's weights."""
        return trees.split_floats(self.state.params)[0]

    def mean(self, floats: PyTree) -> Float[Array, ""]:
        """Returns the mean loss of the batch.

        >>> state = State(params=2.0, opt_state=(), hparams={}, step=0)
        >>> float(LossOfWeights(Loss(lambda w, x: w * x), state, Batch(3.0, None, None)).mean(1.5))
        4.5
        """
        return self.loss.of_batch(self._network(floats), self.batch, self._key(), self.state.hparams)[0]

    def each(self, floats: PyTree) -> Array:
        """Returns what the loss function does: the loss of each example, if it is one of each."""
        return self.loss.of_each(self._network(floats), self.batch, self._key(), self.state.hparams)

    def gradient(self) -> PyTree:
        """Returns the gradient of the mean loss at the state's weights."""
        return self._averaged(lambda loss: jax.grad(loss)(self.floats))

    def hessian(self) -> Callable:
        """Returns the product v -> H v with the Hessian of the mean loss at the state's weights."""

        def product(v: PyTree) -> PyTree:
            return self._averaged(lambda loss: jax.jvp(jax.grad(loss), (self.floats,), (v,))[1])

        return product

    def _averaged(self, derivative: Callable) -> PyTree:
        """Returns the mean over microbatches of `derivative(loss)`, with the mean loss of a microbatch."""

        def of_part(model_state: PyTree, part: Batch, key):
            def loss(floats):
                network = self._network(floats)._replace(model_state=model_state)
                return self.loss.of_batch(network, part, key, self.state.hparams)

            after = loss(self.floats)[1]
            return derivative(lambda floats: loss(floats)[0]), after

        return in_microbatches(of_part, self.microbatch)(self.state.model_state, self.batch, self._key())[0]

    def _network(self, floats: PyTree) -> Network:
        return Network(trees.merge(floats, trees.split_floats(self.state.params)[1]), self.state.model_state)

    def _key(self):
        return key_of_noise(self.batch.key, self.state.noise)
