"""The main experiment on the task of the runs of 2023: MLP 784-100-10, ReLU, plain SGD, 8,000 steps on MNIST."""

from pathjax.configs import digits


def get_config():
    """Needs MNIST: `--config.data.data_dir=DIR`, of TensorFlow Datasets or with its four idx files."""
    config = digits.get_config()
    config.name = "mnist"
    config.data.name = "mnist"
    config.model.widths = (100,)
    config.model.activation = "relu"
    config.optimizer.learning_rate = 0.01
    config.perturbation.epsilons = (1e-2, 1e-1)
    config.perturbation.num_seeds = 10
    config.num_steps = 8000
    config.measure.evaluation_every = 200
    config.measure.anchors = (0, 1000, 4000)
    config.checkpoint_every = 2000
    return config
