"""python -m experiments.nudges"""

from pathjax.experiments.nudges.experiment import main

main()
