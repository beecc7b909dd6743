"""Training as a map: the training step, batch schedules and named optimizers."""
