"""Measures of networks that need no rollout: lines between two, tangent kernels, divergences of distributions."""
