"""Is training fastest where it is chaotic? Exponents and training times against the learning rate."""
