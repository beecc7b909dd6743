"""All distances, on scikit-learn's digits: of weights, functions, symmetries, densities and memory."""

from pathjax.configs import digits


def get_config():
    """Like `configs/digits.py`, with a ReLU network, independently initialized networks, and all distances."""
    config = digits.get_config()
    config.name = "digits_full"
    config.experiment = "distances"
    config.num_independent = 4  # independently initialized networks, on the same batches
    config.model.activation = "relu"  # its units can be scaled as well as permuted
    config.measure.distance_every = 10
    config.measure.norm = 1.0  # p of the p-norm, in addition to the 2-norm and the max norm
    config.measure.function_every = 50  # distances in function space
    config.measure.slow_every = 100  # layers, matching, lines to the baseline, all pairs of members
    config.measure.num_points = 11  # of a line
    config.measure.max_probe_examples = 200  # examples on which functions and layers are compared
    config.measure.num_projections = 128  # random directions, for correlations between any two records
    return config
