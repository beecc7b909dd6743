"""python -m experiments.variance_components"""

from pathjax.experiments.variance_components.experiment import main

main()
