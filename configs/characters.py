"""Growth of perturbations in a transformer that learns the next character of a text."""

from pathjax.configs import adam


def get_config():
    """Needs any text in UTF-8: `--config.data.data_dir=FILE.txt.gz`."""
    config = adam.get_config()
    config.name = "characters"
    config.data.name = "text"
    config.data.batch_size = 32
    config.data.num_test = 500  # windows of 64 characters
    config.model.name = "transformer"
    config.model.widths = (64, 64)
    config.model.activation = "gelu"
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 100
    config.perturbation.num_seeds = 1
    config.num_steps = 3000
    config.checkpoint_every = 1000
    config.measure.max_train_examples = 500
    return config
