"""Which of two patterns is learned first, and how much does that depend on the path of training?"""
