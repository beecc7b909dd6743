"""Growth of perturbations in a small convolutional network on Fashion-MNIST."""

from pathjax.configs import adam


def get_config():
    """Needs Fashion-MNIST: `--config.data.data_dir=DIR`, of TensorFlow Datasets or with its four idx files."""
    config = adam.get_config()
    config.name = "cnn"
    config.data.name = "fashion_mnist"
    config.model.name = "cnn"
    config.model.widths = (16, 32, 64)  # channels
    config.model.strides = 2
    config.model.flatten = True
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 100
    config.num_steps = 2000
    return config
