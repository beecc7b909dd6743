"""python -m experiments.grokking"""

from pathjax.experiments.grokking.experiment import main

main()
