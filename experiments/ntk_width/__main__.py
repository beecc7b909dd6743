"""python -m experiments.ntk_width"""

from pathjax.experiments.ntk_width.experiment import main

main()
