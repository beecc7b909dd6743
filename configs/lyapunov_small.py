"""The full spectrum of a small network, also from its dense Jacobians."""

from pathjax.configs import lyapunov


def get_config():
    """Like `configs/lyapunov.py`, with 4 hidden units: 310 exponents."""
    config = lyapunov.get_config()
    config.name = "lyapunov_small"
    config.model.widths = (4,)
    config.optimizer.learning_rate = 0.1
    config.optimizer.momentum = None
    config.num_steps = 500
    config.perturbation.num_seeds = 2
    config.measure.whole_spectrum = True
    return config
