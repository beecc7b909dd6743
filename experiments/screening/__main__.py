"""python -m experiments.screening"""

from pathjax.experiments.screening.experiment import main

main()
