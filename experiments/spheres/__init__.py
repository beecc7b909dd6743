"""Do weights move as on a sphere, and does it matter whether perturbations stay on it?"""
