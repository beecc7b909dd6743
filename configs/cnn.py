"""Growth of perturbations in a small convolutional network on Fashion-MNIST."""

from configs import hoogland2023


def get_config():
    """Needs Fashion-MNIST: `--config.data.data_dir=DIR`, of TensorFlow Datasets or with its four idx files."""
    config = hoogland2023.get_config()
    config.name = "cnn"
    config.init_seeds = (0, 1)
    config.data.name = "fashion_mnist"
    config.model.name = "cnn"
    config.model.widths = (16, 32, 64)  # channels
    config.model.strides = 2
    config.model.flatten = True
    config.model.bias_initializer = "zeros"
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 3e-3
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 100
    config.perturbation.epsilons = (1e-3, 1e-1)
    config.perturbation.num_seeds = 2
    config.num_steps = 2000
    return config
