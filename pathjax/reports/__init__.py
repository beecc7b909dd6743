"""A finished run's folder -> figures and one self-contained HTML page, for each kind of experiment."""
