"""Growth of perturbations in ResNet-8 on Fashion-MNIST."""

from pathjax.configs import cnn


def get_config():
    """Like `configs/cnn.py`. Needs Fashion-MNIST, or other images: `--config.data.name=cifar10
    --config.data.data_dir=DIR`."""
    config = cnn.get_config()
    config.name = "resnet"
    config.model.name = "resnet"  # channels of three stages of one block each: 8 layers
    config.num_steps = 1000
    config.measure.max_train_examples = 1000
    return config
