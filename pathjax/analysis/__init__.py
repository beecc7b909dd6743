"""After the run: NumPy on recorded arrays. Knows nothing of JAX, run folders or figures."""
