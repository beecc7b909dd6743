"""Writes the page of all settings: python -m experiments.runner.settings.reference --write docs/settings.md"""

import pathlib
import sys
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pathjax.experiments import registry
from pathjax.experiments.runner.settings.base import MAX_INT

SIGNS = {"gt": "more than", "ge": "at least", "le": "at most", "lt": "less than"}

HEAD = """# Settings

This page lists every setting of every experiment. `make settings` writes it from the code. The value is that of the
experiment's config. Change a setting with `--config.KEY=VALUE`; None is a valid value if the type includes it:

    python -m experiments.main --config=digits --workdir=results/digits --config.optimizer.learning_rate=0.3
"""


def page() -> str:
    """Returns the full page, in Markdown."""
    common = _rows(registry.load_experiment("divergence").settings, _values("divergence"))
    shared = _keys_of_all()
    parts = [HEAD, "## All experiments\n", _table(common, shared)]
    for name in registry.EXPERIMENTS:
        rows = _rows(registry.load_experiment(name).settings, _values(name))
        own = [key for key in rows if key not in shared or rows[key][1] != common[key][1]]
        parts += [f"## {name}\n", f"`--config={registry.entry(name).config}`\n", _table(rows, own)]
    return "\n".join(parts)


def _keys_of_all() -> list[str]:
    """Returns the settings that every experiment has."""
    each = [_rows(registry.load_experiment(name).settings, {}) for name in registry.EXPERIMENTS]
    return [key for key in each[0] if all(key in rows for rows in each)]


def _values(name: str) -> dict[str, Any]:
    return _flat(registry.complete_config(name).to_dict())


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found | {prefix + key: value for key, value in tree.items()}


def _rows(group: type[BaseModel], values: dict[str, Any], prefix: str = "") -> dict[str, tuple[str, str, str]]:
    """Returns the type, value and meaning of each setting, by its dotted name."""
    rows: dict[str, tuple[str, str, str]] = {}
    for name, field in group.model_fields.items():
        key, kind = prefix + name, field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            own = field.default.model_dump() if isinstance(field.default, BaseModel) else {}
            rows |= _rows(kind, _flat(own, f"{key}.") | values, f"{key}.")
        else:
            rows[key] = (_type(field), f"`{values.get(key, field.default)}`", field.description or "")
    return rows


def _type(field: FieldInfo) -> str:
    """Returns the type of a setting in words, with its range."""
    limits = _limits([field.annotation, *field.metadata])
    return f"{_name(field.annotation)}{f', {limits}' if limits else ''}"


def _name(kind: Any) -> str:
    """Returns the name of an annotation.

    >>> _name(int | None), _name(tuple[float, ...])
    ('int or None', 'tuple of float')
    """
    parts = get_args(kind)
    if hasattr(kind, "__metadata__"):
        return _name(parts[0])
    if get_origin(kind) is tuple:
        return f"tuple of {_name(parts[0])}"
    if get_origin(kind) is dict:
        return "dict"
    if parts:
        return " or ".join(_name(part) for part in parts)
    return "None" if kind is type(None) else getattr(kind, "__name__", str(kind))


def _limits(parts: Iterable[Any]) -> str:
    """Returns the range in annotations and their metadata, in words."""
    found: dict[str, Any] = {}
    pending = list(parts)
    while pending:
        part = pending.pop()
        pending += [*get_args(part), *getattr(part, "__metadata__", ()), *getattr(part, "metadata", ())]
        found |= {name: getattr(part, name) for name in SIGNS if getattr(part, name, None) is not None}
    return ", ".join(f"{sign} {found[name]:,}" for name, sign in SIGNS.items() if _is_stated(name, found))


def _is_stated(name: str, limits: dict) -> bool:
    """Returns whether a limit is given and is not just that of a 32-bit integer."""
    return name in limits and abs(limits[name]) != MAX_INT


def _table(rows: dict[str, tuple[str, str, str]], keys: list[str]) -> str:
    lines = ["| setting | type | value | meaning |", "|---|---|---|---|"]
    lines += [f"| `{key}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in rows[key])} |" for key in keys]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[-1]).write_text(page())
