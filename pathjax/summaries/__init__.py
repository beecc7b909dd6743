"""What runs say: recorded arrays to numbers with their uncertainties, and words."""
