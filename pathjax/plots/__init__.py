"""Figures, one phenomenon per module: functions that draw labeled arrays on Axes. None of them loads or saves.

Weights: distance, growth, regimes, clouds, displacements, autocorrelation, symmetries, barriers.
Functions: function_space, layers, losses, induction.
Derivatives: exponents, sensitivity, ntk.
Settings: interventions, sweep, variance_components.
Shared: style.

Import each module by name: the package itself imports none.
"""
