"""The machinery of a run, which all experiments share."""
