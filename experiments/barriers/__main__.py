"""python -m experiments.barriers"""

from pathjax.experiments.barriers.experiment import main

main()
