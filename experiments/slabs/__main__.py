"""python -m experiments.slabs"""

from pathjax.experiments.slabs.experiment import main

main()
