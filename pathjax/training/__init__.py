"""Training as a map: the step, the batch schedule, and optimizers by name."""
