"""The runs recorded in 2023, over several initializations: MLP 784-100-10, ReLU, plain SGD, 8,000 steps on MNIST."""

from pathjax.configs import digits


def get_config():
    """Needs MNIST: `--config.data.data_dir=DIR`, of TensorFlow Datasets or with its four idx files."""
    config = digits.get_config()
    config.name = "hoogland2023"
    config.experiment = "growth"
    config.init_seeds = (0, 1, 2, 3, 4, 5, 6, 7)  # initializations and their directions, on one schedule
    config.data.name = "mnist"
    config.model.widths = (100,)
    config.model.activation = "relu"
    config.optimizer.learning_rate = 0.01
    config.perturbation.epsilons = (1e-3, 1e-2, 1e-1, 1.0)
    config.perturbation.num_seeds = 10
    config.num_steps = 8000
    config.checkpoint_every = 2000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 100,
        "evaluation_every": 1000,
        "tangent_every": 100,  # this experiment has no tangents
        "max_train_examples": 10_000,
    }
    return config
