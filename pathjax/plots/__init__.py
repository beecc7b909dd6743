"""Figures, one phenomenon per module: functions that draw labeled arrays on Axes. None of them loads or saves.

Those of records take what `pathjax.to_dataset(result)` returns, derive the rest, and say in one line what is missing.

Weights: distance, growth, regimes, clouds, displacements, autocorrelation, symmetries, barriers.
Functions: function_space, layers, losses, induction.
Derivatives: exponents, sensitivity, ntk.
Settings: interventions, sweep, variance_components.
Any record: records, labels. Shared: style, variables.

Import each module by name: the package itself imports none.
"""
