"""Frozen, typed settings, which a config is parsed into and validated by once."""

from pathjax.experiments.runner.settings.base import Group, setting
from pathjax.experiments.runner.settings.common import InterventionSettings, Measure, PerturbationSettings, RunSettings
from pathjax.experiments.runner.settings.parse import parse_settings, plain, with_changes

__all__ = [
    "Group",
    "InterventionSettings",
    "Measure",
    "PerturbationSettings",
    "RunSettings",
    "parse_settings",
    "plain",
    "setting",
    "with_changes",
]
