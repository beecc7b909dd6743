"""Kinks as a continuous axis: how small must a perturbation be, for tangents to predict it?"""
