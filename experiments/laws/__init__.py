"""The growth of distances: its law, its early exponential period, and what kinks predict."""
