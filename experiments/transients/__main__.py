"""python -m experiments.transients"""

from pathjax.experiments.transients.experiment import main

main()
