"""python -m experiments.sweep"""

from pathjax.experiments.sweep.experiment import main

main()
