"""The parts of a run that all experiments share."""
