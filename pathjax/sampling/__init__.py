"""Sampling of weights by ensembles of chains."""

from pathjax.sampling.learning_coefficient import LearningCoefficients, Sampling, learning_coefficient

__all__ = ["LearningCoefficients", "Sampling", "learning_coefficient"]
