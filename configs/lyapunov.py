"""Leading Lyapunov exponents of a network on scikit-learn's digits: about a minute on two cores, no download."""

from ml_collections import ConfigDict

from pathjax.configs import digits


def get_config() -> ConfigDict:
    """Like `configs/digits.py`, with other measurements; the high learning rate makes training chaotic at first."""
    config = digits.get_config()
    config.name = "lyapunov"
    config.experiment = "lyapunov"
    config.optimizer.learning_rate = 0.4
    config.optimizer.momentum = 0.9
    config.perturbation.epsilons = (1e-4, 1e-3, 1e-2, 1e-1)
    config.perturbation.num_seeds = 4
    config.measure = {  # steps between records; each divides the next
        "distance_every": 1,
        "tangent_every": 10,  # also of orthonormalizations
        "evaluation_every": 50,
        "num_tangents": 8,  # leading exponents of weights and optimizer state
        "num_function_tangents": 8,  # leading exponents of the function
        "probe_examples": 64,  # test examples on whose outputs the function is measured
        "whole_spectrum": False,  # whether to measure all exponents, also from dense Jacobians (for small networks)
        "max_train_examples": 10_000,
    }
    return config
