"""When do induction heads form, and does that depend on the path? A small transformer on drawn sequences."""

from pathjax.configs import digits


def get_config():
    """Two layers of attention alone on sequences whose second half repeats their first; no download."""
    config = digits.get_config()
    config.name = "induction"
    config.experiment = "induction"
    config.data.name = "induction"
    config.data.context = 32
    config.data.vocabulary_size = 64  # of as few as are seen at once, half of all networks only learn which are left
    config.data.batch_size = 32
    config.model.name = "transformer"
    config.model.widths = (64, 64)
    config.model.hidden = False  # attention alone
    # Smaller starts and a warm-up: with Kaiming's, a third of all networks stay for long where they know what is left.
    config.model.initializer = "lecun_normal"
    config.optimizer.name = "adam"
    config.optimizer.warmup_steps = 200
    config.optimizer.learning_rate = 3e-3
    config.perturbation.epsilons = (1e-4, 1e-2, 1.0)
    config.perturbation.num_seeds = 4
    config.num_independent = 6  # networks of other initializations, on the same batches
    config.num_steps = 3000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 20,
        "tangent_every": 20,  # none are carried
        "induction_every": 20,
        "evaluation_every": 200,
        "formed": 0.5,  # score from which a head has formed
        "max_probe_examples": 50,  # sequences on which the score is taken
        "max_train_examples": 1000,
    }
    return config
