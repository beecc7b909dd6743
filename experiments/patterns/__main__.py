"""python -m experiments.patterns"""

from pathjax.experiments.patterns.experiment import main

main()
