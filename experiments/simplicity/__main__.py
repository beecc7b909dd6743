"""python -m experiments.simplicity"""

from pathjax.experiments.simplicity.experiment import main

main()
