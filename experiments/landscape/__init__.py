"""Sharpness beside the leading exponent, over learning rates: stable, catapult, edge of stability, divergence."""
