"""Hyperparameters swept on scikit-learn's digits: continuous ones in one program, others one after the other."""

from pathjax.configs import digits


def get_config():
    """As `configs/digits.py` in small, for every learning rate, momentum and weight decay, and two activations."""
    config = digits.get_config()
    config.name = "sweep"
    config.experiment = "sweep"
    config.model.widths = (64,)
    config.perturbation.epsilons = (1e-3,)
    config.perturbation.num_seeds = 9
    config.num_steps = 1000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 20,
        "tangent_every": 100,  # none are carried
        "evaluation_every": 100,
        "max_train_examples": 10_000,
    }
    config.sweep = {
        # Hyperparameters of the optimizer; and seed (of weights and directions, on one schedule), epsilon, at_step.
        # All their combinations are one program, each with a baseline of its own.
        "continuous": {
            "learning_rate": (0.01, 0.03, 0.1, 0.3),
            "momentum": (0.0, 0.5, 0.9),
            "weight_decay": (0.0, 1e-4, 1e-3),
        },
        # What needs a program of its own: model, activation, initializer, parametrization, width, depth, optimizer,
        # batch_size, data, seed.
        "static": {"activation": ("tanh", "relu")},
        "num_parameters": 0,  # where depths are swept: the width that gives so many; 0: the widths that are given
    }
    return config
