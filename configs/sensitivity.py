"""Which parameters do the final weights depend on? Derivatives of a run on scikit-learn's digits."""

from pathjax.configs import digits


def get_config():
    """Like `configs/digits.py` in double precision, with derivatives by hyperparameters, directions and examples."""
    config = digits.get_config()
    config.name = "sensitivity"
    config.experiment = "sensitivity"
    config.precision = "float64"
    config.optimizer.momentum = 0.9
    config.optimizer.learning_rate = 0.03
    config.perturbation.epsilons = (1e-3, 1e-2)
    config.perturbation.num_seeds = 2
    config.num_steps = 1000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 10,
        "tangent_every": 10,  # of the derivatives
        "evaluation_every": 50,
        "num_directions": 2,  # random directions of the initial weights
        "examples": ((0, 0), (100, 0), (500, 0)),  # (step, position in its batch); steps beyond num_steps are ignored
        "max_train_examples": 10_000,
    }
    return config
