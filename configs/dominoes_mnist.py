"""What is learned first, MNIST or Fashion-MNIST? The dominoes experiment on real images."""

from pathjax.configs import dominoes


def get_config():
    """Needs both sets: `--config.data.dominoes.m.data_dir=DIR` and `--config.data.dominoes.c.data_dir=DIR`.

    A folder of TensorFlow Datasets or one with the set's four idx files. For CIFAR-10 below:
    `--config.data.dominoes.c.source=cifar10`.
    """
    config = dominoes.get_config()
    config.name = "dominoes_mnist"
    config.init_seeds = tuple(range(6))
    config.data.num_train = 60_000
    config.data.dominoes.m.source = "mnist"
    config.data.dominoes.c.source = "fashion_mnist"
    config.perturbation.num_seeds = 1
    config.optimizer.learning_rate = 0.02
    config.num_steps = 1600
    config.measure.max_probe_examples = 500
    return config
