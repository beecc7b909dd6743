"""Every distance there is, on scikit-learn's digits: weights, functions, symmetries, densities and memory."""

from pathjax.configs import digits


def get_config():
    """As `configs/digits.py`, with a ReLU network, networks of their own initialization beside it, and all families."""
    config = digits.get_config()
    config.name = "digits_full"
    config.experiment = "distances"
    config.num_independent = 4  # networks initialized independently, trained on the same batches
    config.model.activation = "relu"  # whose units can be scaled as well as permuted
    config.measure.distance_every = 10
    config.measure.norm = 1.0  # p of the norms beside the 2-norm; inf is recorded too
    config.measure.function_every = 50  # distances in function space
    config.measure.slow_every = 100  # layers, matching, lines to the baseline, all pairs of members
    config.measure.num_points = 11  # of a line
    config.measure.max_probe_examples = 200  # examples on which functions and layers are compared
    config.measure.num_projections = 128  # random directions, for the correlation between any two records
    return config
