"""Do networks use the simplest input alone?"""
