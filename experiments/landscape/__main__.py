"""python -m experiments.landscape"""

from pathjax.experiments.landscape.experiment import main

main()
