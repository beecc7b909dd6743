"""Networks of other depths with as many parameters."""

import math

from pathjax.core.errors import require


def width_for(num_parameters: int, depth: int, num_inputs: int, num_outputs: int) -> int:
    """The width of `depth` equal hidden layers at which an MLP with biases has nearest to `num_parameters`.

    With w the width, D = (n_in + 1) w + (depth - 1) (w + 1) w + (w + 1) n_out, solved for w and rounded.

    Raises:
        InputError: for a depth below 1, or fewer parameters than one unit a layer needs.

    Source: the count of weights and biases of a fully connected network.

    >>> width_for(79510, depth=1, num_inputs=784, num_outputs=10), count_parameters(100, 1, 784, 10)
    (100, 79510)
    """
    require(depth >= 1, f"{depth} hidden layers have no width: choose 1 or more")
    least = count_parameters(1, depth, num_inputs, num_outputs)
    require(num_parameters >= least, f"{num_parameters} parameters are too few for depth {depth}: {least} is the least")
    a, b, c = depth - 1, num_inputs + 1 + (depth - 1) + num_outputs, num_outputs - num_parameters
    exact = -c / b if a == 0 else (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    below = max(1, math.floor(exact))

    def miss(width: int) -> int:
        return abs(count_parameters(width, depth, num_inputs, num_outputs) - num_parameters)

    return min(below, below + 1, key=miss)


def count_parameters(width: int, depth: int, num_inputs: int, num_outputs: int) -> int:
    """Weights and biases of an MLP of `depth` hidden layers of one width.

    >>> count_parameters(100, 2, 784, 10)
    89610
    """
    return (num_inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * num_outputs
