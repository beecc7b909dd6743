"""When do networks generalize after they have memorized, and how much does that depend on their start?"""
