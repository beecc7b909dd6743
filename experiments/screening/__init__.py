"""Does a pattern that is learned first screen off another?"""
