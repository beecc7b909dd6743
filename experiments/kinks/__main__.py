"""python -m experiments.kinks"""

from pathjax.experiments.kinks.experiment import main

main()
