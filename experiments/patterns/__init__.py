"""How do prevalence, reliability and simplicity of patterns decide when they are learned?"""
