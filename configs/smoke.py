"""A small version of the digits experiment that takes seconds, to check that everything works."""

from pathjax.configs import digits


def get_config():
    """Like `configs/digits.py`, with fewer members and steps."""
    config = digits.get_config()
    config.name = "smoke"
    config.model.widths = (16,)
    config.perturbation.epsilons = (1e-3, 1e-1)
    config.perturbation.num_seeds = 2
    config.num_steps = 200
    config.measure.num_tangents = 1
    config.measure.anchors = (0, 100)
    config.chunk_length = 50
    config.checkpoint_every = 100
    return config
