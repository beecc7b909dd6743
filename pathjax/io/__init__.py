"""Files: run folders, checkpoints, and records as labeled arrays."""
