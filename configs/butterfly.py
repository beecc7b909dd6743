"""How far does an intervention move training, by its step and epsilon? On scikit-learn's digits, about two minutes."""

from pathjax.configs import digits


def get_config():
    """Like `configs/digits.py`, but each member is intervened on at its own step."""
    config = digits.get_config()
    config.name = "butterfly"
    config.experiment = "butterfly"
    config.model.activation = "relu"
    # On the weights: sphere (relative epsilon), gaussian, one_weight, gradient, curvature (absolute epsilon), ulps,
    # scales (of ReLU units), permutation. On the momentum: momentum (absolute). On a hyperparameter, from that step on
    # (relative): learning_rate, momentum_rate, weight_decay, b1, b2. On the batch: label, label_noise (share of
    # labels), example, example_weight (added), batch (replaced).
    config.perturbation.kind = "sphere"
    config.perturbation.epsilons = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0)
    config.perturbation.at_steps = (0, 10, 20, 50, 100, 200, 400, 600, 900, 1200, 1500, 1800)
    config.perturbation.num_seeds = 4
    config.perturbation.duration = 1  # consecutive steps
    config.measure = {  # steps between records; each divides the next
        "distance_every": 100,
        "evaluation_every": 1000,  # also of lines to the baseline
        "num_points": 11,  # of a line
        "tangent_every": 100,  # this experiment has no tangents
        "max_train_examples": 10_000,
    }
    return config
