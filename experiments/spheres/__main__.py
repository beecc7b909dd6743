"""python -m experiments.spheres"""

from pathjax.experiments.spheres.experiment import main

main()
