"""Figures: labelled arrays to Axes."""
