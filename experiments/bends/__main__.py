"""python -m experiments.bends"""

from pathjax.experiments.bends.experiment import main

main()
