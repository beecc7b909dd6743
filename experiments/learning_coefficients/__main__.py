"""python -m experiments.learning_coefficients"""

from pathjax.experiments.learning_coefficients.experiment import main

main()
