"""Widths that keep the number of parameters at other depths."""

import math

from pathjax.core.errors import require


def width_for(num_parameters: int, depth: int, num_inputs: int, num_outputs: int) -> int:
    """Returns the width at which an MLP with `depth` equal hidden layers and biases is closest to `num_parameters`.

    With w the width, D = (n_in + 1) w + (depth - 1) (w + 1) w + (w + 1) n_out, solved for w and rounded.

    Raises:
        InputError: if depth is below 1, or there are fewer parameters than layers of one unit need.

    Source: the number of weights and biases of a fully connected network.

    >>> width_for(79510, depth=1, num_inputs=784, num_outputs=10), count_parameters(100, 1, 784, 10)
    (100, 79510)
    """
    require(depth >= 1, f"depth {depth} is out of range: choose 1 or more")
    least = count_parameters(1, depth, num_inputs, num_outputs)
    few = f"{num_parameters} parameters are too few for depth {depth}: choose {least} or more"
    require(num_parameters >= least, few)
    a, b, c = depth - 1, num_inputs + 1 + (depth - 1) + num_outputs, num_outputs - num_parameters
    exact = -c / b if a == 0 else (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    below = max(1, math.floor(exact))

    def miss(width: int) -> int:
        return abs(count_parameters(width, depth, num_inputs, num_outputs) - num_parameters)

    return min(below, below + 1, key=miss)


def count_parameters(width: int, depth: int, num_inputs: int, num_outputs: int) -> int:
    """Counts the weights and biases of an MLP with `depth` hidden layers of equal width.

    >>> count_parameters(100, 2, 784, 10)
    89610
    """
    return (num_inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * num_outputs
