"""When do induction heads form, and does that depend on the path? A small transformer on synthetic sequences."""

from pathjax.configs import digits


def get_config():
    """An attention-only network of two layers, on sequences whose second half repeats the first; no download."""
    config = digits.get_config()
    config.name = "induction"
    config.experiment = "induction"
    config.data.name = "induction"
    config.data.context = 32
    config.data.vocabulary_size = (
        64  # with as few as the context, half of all networks only learn which tokens are left
    )
    config.data.batch_size = 32
    config.model.name = "transformer"
    config.model.widths = (64, 64)
    config.model.hidden = False  # attention only
    # Smaller initial weights and a warm-up: with Kaiming's, a third of all networks stay long on the plateau where they
    # know only which tokens are left.
    config.model.initializer = "lecun_normal"
    config.optimizer.name = "adam"
    config.optimizer.warmup_steps = 200
    config.optimizer.learning_rate = 3e-3
    config.perturbation.epsilons = (1e-4, 1e-2, 1.0)
    config.perturbation.num_seeds = 4
    config.num_independent = 6  # independently initialized networks, on the same batches
    config.num_steps = 3000
    config.measure = {  # steps between records; each divides the next
        "distance_every": 20,
        "tangent_every": 20,  # this experiment has no tangents
        "induction_every": 20,
        "evaluation_every": 200,
        "formed": 0.5,  # score at which a head counts as formed
        "max_probe_examples": 50,  # sequences on which the score is measured
        "max_train_examples": 1000,
    }
    return config
