"""How simple is a pattern: how many steps and how many units does it take?"""
