"""Benchmarks: ratios of programs that are timed side by side in one run."""
