"""What do other hyperparameters, for some steps or for all, do to training?"""
