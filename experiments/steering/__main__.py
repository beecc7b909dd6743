"""python -m experiments.steering"""

from pathjax.experiments.steering.experiment import main

main()
