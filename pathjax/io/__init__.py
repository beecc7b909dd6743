"""What is written to disk and read back: run folders, checkpoints, labeled arrays."""
