"""Does the law of kink crossings predict distances, over networks, data, batches and learning rates?"""
