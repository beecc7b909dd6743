"""What measuring costs, as ratios of programs timed side by side in one run."""
