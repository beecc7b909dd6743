"""A sweep on scikit-learn's digits: continuous hyperparameters in one program, other settings one after the other."""

from pathjax.configs import digits


def get_config():
    """A smaller `configs/digits.py`, for all learning rates, momenta and weight decays, and two activations."""
    config = digits.get_config()
    config.name = "sweep"
    config.experiment = "sweep"
    config.model.widths = (64,)
    config.perturbation.epsilons = (1e-3,)
    config.perturbation.num_seeds = 9
    config.num_steps = 1000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 20,
        "tangent_every": 100,  # this experiment has no tangents
        "evaluation_every": 100,
        "max_train_examples": 10_000,
    }
    config.sweep = {
        # Hyperparameters of the optimizer; also seed (of weights and directions, on one schedule), epsilon, at_step.
        # All their combinations run in one program, each with its own baseline.
        "continuous": {
            "learning_rate": (0.01, 0.03, 0.1, 0.3),
            "momentum": (0.0, 0.5, 0.9),
            "weight_decay": (0.0, 1e-4, 1e-3),
        },
        # Settings that need separate programs: model, activation, initializer, parametrization, width, depth,
        # optimizer, batch_size, data, seed.
        "static": {"activation": ("tanh", "relu")},
        "num_parameters": 0,  # if depths are swept: chooses widths with this number of parameters; 0: the given widths
    }
    return config
