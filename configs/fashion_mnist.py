"""The MNIST experiment on Fashion-MNIST."""

from pathjax.configs import mnist


def get_config():
    """Needs Fashion-MNIST: `--config.data.data_dir=DIR`, of TensorFlow Datasets or with its four idx files."""
    config = mnist.get_config()
    config.name = "fashion_mnist"
    config.data.name = "fashion_mnist"
    return config
