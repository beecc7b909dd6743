"""An L1 regularizer never, always, or for the first 100 steps: 20 initializations x 3 arms of 2-500-500-1 on two moons.

The claim (a comment quoted in seed 001 of the project's origins): "if you first train with the L1 regularizer for ~ 100
steps, then switch over to no regularizer, you get this boundary, which persists for at least 5,000 training steps".
"""

from pathjax.configs import digits


def get_config():
    """Full batches, 5,100 steps."""
    config = digits.get_config()
    config.name = "nudge"
    config.experiment = "arms"
    config.init_seeds = tuple(range(20))
    config.data.name = "moons"
    config.data.batch_size = None
    config.data.num_train = 64
    config.model.widths = (500, 500)
    config.model.log_odds = True
    config.model.activation = "relu"
    config.optimizer.learning_rate = 0.1
    config.perturbation.epsilons = ()  # no perturbed members: the baseline, its controls, and the arms
    config.perturbation.num_seeds = 1
    config.arms = {
        "always": {"l1": 3e-3},
        "first 100 steps": {"l1": (3e-3, 0, 100)},
        "random push": {"tilt": (3e-3, 0, 100)},  # the control: the same force on each weight, in a random direction
    }
    config.plane = 48  # points per side of the plane in which decision boundaries are recorded
    config.num_steps = 5100
    config.checkpoint_every = 1000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 10,
        "tangent_every": 10,  # this experiment has no tangents
        "evaluation_every": 100,
        "max_train_examples": 10_000,
    }
    return config
