"""What is learned first, digits or gratings? Ten initializations and their copies, on dominoes of both."""

from ml_collections import ConfigDict, config_dict

from pathjax.configs import digits


def get_config():
    """10 initializations x 9 members, 1,600 steps on dominoes of 16 x 8 pixels."""
    config = digits.get_config()
    config.name = "dominoes"
    config.experiment = "dominoes"
    config.init_seeds = tuple(range(10))
    config.num_orders = 2  # copies of each baseline that see the batches in another order
    config.data.name = "dominoes"
    config.data.num_train = 1000
    config.data.dominoes = ConfigDict(
        {
            "m": side("digits"),  # the upper side
            "c": side("gratings"),  # the lower side
            "both": config_dict.placeholder(float),  # share with both sides; None: the product of the prevalences
            "num_classes": config_dict.placeholder(int),  # None: as many as both sets have
            "label_noise": 0.0,  # share of wrong training labels
        }
    )
    config.model.activation = "relu"
    config.optimizer.learning_rate = 0.05
    config.perturbation.epsilons = (1e-3, 1e-1)
    config.perturbation.num_seeds = 2
    config.num_steps = 1600
    config.measure = {  # steps between records; each divides the next
        "distance_every": 10,
        "pattern_every": 10,
        "evaluation_every": 100,
        "tangent_every": 10,  # this experiment has no tangents
        "max_probe_examples": 200,  # of each set that shows what has been learned
        "max_train_examples": 1000,
    }
    return config


def side(source: str) -> dict:
    """Returns the settings of one side of dominoes, with images of a data set."""
    return {
        "source": source,  # digits, gratings, mnist, fashion_mnist, cifar10 or any other set of images
        "data_dir": config_dict.placeholder(str),
        "prevalence": 0.8,  # share of dominoes that show this side
        "reliability": 1.0,  # share of these that show the domino's class, and not a wrong one
        "blur": 0.0,  # standard deviation, in pixels
        "resolution": config_dict.placeholder(int),  # pixels per side to which images are reduced; None: all
        "contrast": 1.0,  # factor of the pixels
        "noise": 0.0,  # standard deviation in each pixel
    }
