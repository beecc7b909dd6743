"""Ensembles: a baseline, controls and perturbed or intervened members."""
