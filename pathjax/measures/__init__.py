"""Measures of networks that need no rollout: loss along lines, tangent kernels, divergences of distributions."""
