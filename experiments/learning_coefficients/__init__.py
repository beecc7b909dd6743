"""Learning coefficients: known ones, whether intervals cover, and networks along training."""
