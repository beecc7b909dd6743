"""How far does a disturbance take training, by its step and its size? On scikit-learn's digits, two minutes or so."""

from pathjax.configs import digits


def get_config():
    """As `configs/digits.py`, with members that are each disturbed at a step of its own."""
    config = digits.get_config()
    config.name = "butterfly"
    config.experiment = "butterfly"
    config.model.activation = "relu"
    # Of the weights: sphere (relative), gaussian, one_weight, gradient, curvature (absolute), ulps, scales (of ReLU),
    # permutation. Of momentum: momentum (absolute). From then on, relative: learning_rate, momentum_rate, weight_decay,
    # b1, b2. Of the batch: label, label_noise (share of labels), example, example_weight (added), batch (another).
    config.perturbation.kind = "sphere"
    config.perturbation.epsilons = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0)
    config.perturbation.at_steps = (0, 10, 20, 50, 100, 200, 400, 600, 900, 1200, 1500, 1800)
    config.perturbation.num_seeds = 4
    config.perturbation.duration = 1  # steps, before each of which it happens
    config.measure = {  # steps between records; each divides the next
        "distance_every": 100,
        "evaluation_every": 1000,  # also lines to the baseline
        "num_points": 11,  # of a line
        "tangent_every": 100,  # none are carried
        "max_train_examples": 10_000,
    }
    return config
