"""Growth of perturbations in a classifier of short texts."""

from configs import hoogland2023


def get_config():
    """Needs a file of texts with labels: `--config.data.data_dir=FILE.jsonl.gz`; or IMDb, as imdb_reviews."""
    config = hoogland2023.get_config()
    config.name = "reviews"
    config.init_seeds = (0, 1)
    config.data.name = "jsonl"
    config.model.name = "text_classifier"
    config.model.widths = (64, 32)
    config.model.bias_initializer = "zeros"
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 3e-3
    config.perturbation.epsilons = (1e-3, 1e-1)
    config.perturbation.num_seeds = 2
    config.num_steps = 600
    config.measure.evaluation_every = 100
    config.checkpoint_every = 200
    return config
