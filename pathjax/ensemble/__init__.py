"""Baselines, controls and the members around them."""
