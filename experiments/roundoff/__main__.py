"""python -m experiments.roundoff"""

from pathjax.experiments.roundoff.experiment import main

main()
