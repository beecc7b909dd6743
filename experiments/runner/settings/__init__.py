"""What a config must hold, as frozen and typed settings: checked once, where a config comes in."""

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
