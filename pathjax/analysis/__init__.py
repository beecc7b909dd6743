"""Analysis of recorded arrays after a run, in NumPy. It does not depend on JAX, run folders or figures."""
