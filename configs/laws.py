"""By which law do distances grow? 8 initializations of 64-100-10, ReLU, plain SGD, each on batches of its own."""

from pathjax.configs import digits


def get_config():
    """8 initializations x 4 epsilons x 6 directions, 1,500 steps on the digits."""
    config = digits.get_config()
    config.name = "laws"
    config.experiment = "laws"
    config.init_seeds = (0, 1, 2, 3, 4, 5, 6, 7)
    config.own_schedules = True
    config.later_step = 50  # two epochs
    config.kinks = True
    config.tangents = True
    config.model.widths = (100,)
    config.model.activation = "relu"
    config.optimizer.learning_rate = 0.1
    config.perturbation.epsilons = (1e-4, 1e-3, 1e-2, 1e-1)
    config.perturbation.num_seeds = 6
    config.num_steps = 1500
    config.checkpoint_every = 500
    config.measure = {  # steps between records; each divides the next
        "distance_every": 5,
        "evaluation_every": 100,
        "tangent_every": 5,
        "max_train_examples": 10_000,
    }
    return config
