"""Parses a user's config into typed settings; an error is one line that says how to fix the config."""

from typing import Any, TypeVar

from ml_collections import ConfigDict
from pydantic import BaseModel, ValidationError

from pathjax.core.errors import InputError
from pathjax.experiments import registry
from pathjax.experiments.runner.settings.common import RunSettings

S = TypeVar("S", bound=RunSettings)
# For each type error of pydantic: the expected type, and the name of such items in a tuple.
_KINDS = {
    "int_type": ("int", "integers"),
    "float_type": ("float", "numbers"),
    "finite_number": ("a finite number", "finite numbers"),
    "bool_type": ("bool", "true or false"),
    "string_type": ("str", "names"),
    "tuple_type": ("tuple", "tuples"),
    "model_type": ("a group of settings", "groups of settings"),
    "dict_type": ("a group of settings", "groups of settings"),
}
_LIMITS = {
    "greater_than_equal": "choose {ge} or more",
    "greater_than": "choose more than {gt}",
    "less_than_equal": "choose at most {le}",
    "less_than": "choose less than {lt}",
}
# Reported first: a config of another experiment lacks some settings and has extra ones.
_ORDER = ("missing", "extra_forbidden")


def parse_settings(config: ConfigDict) -> Any:
    """Returns the settings of the experiment that a config names.

    Raises:
        InputError: for an unknown experiment, or the first setting that is missing, unknown or invalid.

    >>> from pathjax.configs import digits
    >>> parse_settings(digits.get_config()).measure.distance_every
    1
    """
    name = config.get("experiment")
    cls = registry.load_experiment(name).settings
    return _validated(cls, config.to_dict(), registry.entry(name).file)


def plain(settings: RunSettings) -> dict:
    """Returns the settings that were given, as nested dicts.

    >>> from pathjax.configs import digits
    >>> plain(parse_settings(digits.get_config()))["perturbation"]["num_seeds"]
    8
    """
    return settings.model_dump(exclude_unset=True)


def with_changes(settings: S, changes: dict[str, Any]) -> S:
    """Returns the settings with changes, by dotted name.

    Raises:
        InputError: if a new value is invalid.

    >>> from pathjax.configs import digits
    >>> with_changes(parse_settings(digits.get_config()), {"seed": 3, "model.widths": (8,)}).model.widths
    (8,)
    """
    tree = plain(settings)
    for name, value in changes.items():
        *groups, key = name.split(".")
        place = tree
        for group in groups:
            place = place[group]
        place[key] = value
    return _validated(type(settings), tree, registry.entry(settings.experiment).file)


def _validated(cls: type[S], tree: dict, file: str) -> S:
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False)
    first = min(found, key=lambda one: _ORDER.index(one["type"]) if one["type"] in _ORDER else len(_ORDER))
    raise InputError(_message(cls, dict(first), tree.get("experiment"), file))


def _message(cls: type[BaseModel], error: dict, experiment: Any, file: str) -> str:
    """Returns the one-line message for an error of pydantic."""
    kind, value = error["type"], error["input"]
    if error["loc"][:1] in (("windows",), ("arms",)) and kind not in ("missing", "extra_forbidden"):
        where = ".".join(str(part) for part in error["loc"] if str(part).isidentifier() and part != "float")
        return f"{where} is {value!r}: expected a number, or (number, from, until) with whole steps from and until"
    names = [part for part in error["loc"] if isinstance(part, str)]
    key, is_item = ".".join(names), len(names) < len(error["loc"])
    if kind == "missing" and not is_item:
        return f"the config lacks {key}, which experiment '{experiment}' needs: begin with {file}"
    if kind == "extra_forbidden":
        return f"the config has {key}, which experiment '{experiment}' does not use: leave it out, as in {file}"
    if kind == "value_error":
        why = str(error["ctx"]["error"])
        return why if isinstance(value, dict) else f"{key} {why}"
    if kind == "too_short" and not is_item:
        return f"{key} is empty: give at least one"
    if is_item:
        return f"{key} holds {value!r}: expected {_expected_items(cls, names, kind)}"
    if kind in _LIMITS:
        return f"{key} {value} is out of range: {_LIMITS[kind].format(**error['ctx'])}"
    expected = _KINDS[kind][0] if kind in _KINDS else error.get("ctx", {}).get("expected", error["msg"])
    return f"{key} is {value!r}: expected {expected}, as in {file}"


def _expected_items(cls: type[BaseModel], names: list[str], kind: str) -> str:
    """Returns the expected items of a tuple, with the setting's own example if it has one."""
    for name in names[:-1]:
        cls = cls.model_fields[name].annotation  # type: ignore[assignment]
    extra = cls.model_fields[names[-1]].json_schema_extra if names[-1] in cls.model_fields else None
    example = extra.get("example") if isinstance(extra, dict) else None
    if example:
        return f"{example}"
    items = _KINDS[kind][1] if kind in _KINDS else "integers"
    return f"{items}, as in --config.{'.'.join(names)}=1,2"
