"""Growth of perturbations under Adam; the configs of other networks start from this one."""

from pathjax.configs import hoogland2023


def get_config():
    """Needs MNIST, as configs/hoogland2023.py does: two initializations, with perturbed copies of both."""
    config = hoogland2023.get_config()
    config.name = "adam"
    config.init_seeds = (0, 1)
    config.model.bias_initializer = "zeros"
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 3e-3
    config.perturbation.epsilons = (1e-3, 1e-1)
    config.perturbation.num_seeds = 2
    return config
