"""Growth of perturbations in a classifier of short texts."""

from pathjax.configs import adam


def get_config():
    """Needs labeled texts: `--config.data.data_dir=FILE.jsonl.gz`, or IMDb: `--config.data.name=imdb_reviews`."""
    config = adam.get_config()
    config.name = "reviews"
    config.data.name = "jsonl"
    config.model.name = "text_classifier"
    config.model.widths = (64, 32)
    config.num_steps = 600
    config.measure.evaluation_every = 100
    config.checkpoint_every = 200
    return config
