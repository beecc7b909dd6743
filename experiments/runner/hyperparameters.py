"""The hyperparameters of a run: of optimizer and loss, in windows of steps, and in arms of members."""

from pathjax.core.errors import require
from pathjax.core.types import Dynamics, Ensemble
from pathjax.ensemble.arms import with_arms
from pathjax.experiments.runner.settings import RunSettings
from pathjax.interventions import windowed
from pathjax.training.regularizers import REGULARIZERS

BASELINE = "baseline"  # the arm of all members that are in no other
RESERVED = (BASELINE, "one rounding error")  # names that reports give to members
TILT_SEED = "tilt_seed"  # the hyperparameter that decides the direction of a tilt
NO_HPARAMS = ("name", "schedule", "warmup_steps", "decay_on", "before")  # of settings.optimizer


def of_optimizer(settings: RunSettings) -> dict[str, float]:
    """Returns the optimizer's hyperparameters that the settings define."""
    given = settings.optimizer.model_dump()
    return {name: float(value) for name, value in given.items() if name not in NO_HPARAMS and value is not None}


def of_loss(settings: RunSettings) -> dict[str, float]:
    """Returns the strengths of the regularizers that the settings name: given, in a window, or in an arm."""
    given = {name: getattr(settings.regularization, name) for name in REGULARIZERS}
    named = {name for name, value in given.items() if value is not None} | _varied(settings)
    return {name: float(given[name] or 0) for name in REGULARIZERS if name in named}


def hyperparameters(settings: RunSettings) -> dict[str, float]:
    """Returns all hyperparameters of the baseline, with their windows.

    Raises:
        InputError: if a window or an arm names an unknown hyperparameter, or a value is out of range.
    """
    plain = of_optimizer(settings) | of_loss(settings)
    plain = in_direction_of(plain | ({TILT_SEED: 0.0} if "tilt" in plain else {}), settings.seed)
    for name in sorted(_varied(settings)):
        known = f"choose one of {', '.join(plain)}, or of the regularizers {', '.join(REGULARIZERS)}"
        require(name in plain, f"unknown hyperparameter '{name}' in windows or arms: {known}")
    _check_strengths(settings)
    found = dict(plain)
    for name in windowed_names(settings):
        found |= {f"{name}/value": 0.0, f"{name}/from": 0, f"{name}/until": 0}
    return found | _changes(settings.windows)


def in_direction_of(hparams: dict[str, float], seed: int) -> dict[str, float]:
    """Returns the hyperparameters, with the direction of a tilt that belongs to a seed."""
    return hparams | {TILT_SEED: float(seed)} if TILT_SEED in hparams else hparams


def windowed_names(settings: RunSettings) -> list[str]:
    """Returns the hyperparameters that have a window, of all members or of an arm."""
    each = [settings.windows, *settings.arms.values()]
    return sorted({name for values in each for name, value in values.items() if isinstance(value, tuple)})


def with_windows(settings: RunSettings, dynamics: Dynamics) -> Dynamics:
    """Returns the dynamics, in which hyperparameters may have windows."""
    names = windowed_names(settings)
    return windowed(dynamics, names) if names else dynamics


def in_arms(settings: RunSettings, ensemble: Ensemble) -> Ensemble:
    """Adds a member for each arm."""
    if not settings.arms:
        return ensemble
    return with_arms(ensemble, {arm: _changes(values) for arm, values in settings.arms.items()}, BASELINE)


def _varied(settings: RunSettings) -> set[str]:
    return {name for values in (settings.windows, *settings.arms.values()) for name in values}


def _changes(values: dict) -> dict[str, float]:
    """Returns the hyperparameters of values and of (value, from, until)."""
    changes: dict[str, float] = {}
    for name, value in values.items():
        parts = zip(("value", "from", "until"), value, strict=True) if isinstance(value, tuple) else ()
        changes |= {f"{name}/{part}": one for part, one in parts} or {name: value}
    return changes


def _check_strengths(settings: RunSettings) -> None:
    where = {"windows": settings.windows} | {f"arms.{arm}": values for arm, values in settings.arms.items()}
    for place, values in where.items():
        for name, value in values.items():
            _check_value(f"{place}.{name}", name, value, settings.num_steps)
    for name in REGULARIZERS:
        _check_value(f"regularization.{name}", name, getattr(settings.regularization, name) or 0.0, settings.num_steps)
    for name, value in settings.windows.items():
        is_window = f"windows.{name} is {value}: expected (value, from, until), or set the hyperparameter itself"
        require(isinstance(value, tuple), is_window)
    for name in RESERVED:
        require(name not in settings.arms, f"arms has '{name}', the name of other members: rename it")


def _check_value(what: str, name: str, value: float | tuple, num_steps: int) -> None:
    strength = value[0] if isinstance(value, tuple) else value
    if isinstance(value, tuple):
        _, start, end = value
        choose = f"choose a first step before the last, and before {num_steps} (num_steps)"
        require(start < min(end, num_steps), f"{what} is from step {start} until {end}: {choose}")
    require(name not in REGULARIZERS or strength >= 0, f"{what} is {strength:g}: choose 0 or more")
    require(name != "label_smoothing" or strength < 1, f"{what} is {strength:g}: choose less than 1")
