"""Figures: from labeled arrays to Axes, one phenomenon a module. They draw what they are given; none loads or saves.

In weights: distance, growth, regimes, clouds, displacements, autocorrelation, symmetries, barriers.
In the function: function_space, layers, losses, induction.
By derivatives: exponents, sensitivity, ntk.
By setting: interventions, sweep, variance_components.
What they share: style.

Import them by name: nothing is imported with the package.
"""
