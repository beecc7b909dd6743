"""python -m experiments.critical_periods"""

from pathjax.experiments.critical_periods.experiment import main

main()
