"""The MNIST experiment on Fashion-MNIST."""

from configs import mnist


def get_config():
    """Needs Fashion-MNIST from TensorFlow Datasets: `--config.data.data_dir=DIR`."""
    config = mnist.get_config()
    config.name = "fashion_mnist"
    config.data.name = "fashion_mnist"
    return config
