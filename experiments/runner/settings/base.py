"""Groups of settings, and the types of settings."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_INT = 2**31 - 1  # steps and sizes are int32


class Group(BaseModel):
    """A group of settings. Settings are immutable, and undeclared names are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def setting(meaning: str, *aliases: str, example: str | None = None, **limits: Any) -> Any:
    """Declares a setting: its meaning, other names that users may try, an optional `example` of its items for the error
    message, and pydantic's `default`, `ge`, `lt` and so on.

    >>> setting("how many steps", "epochs", ge=1).description
    'how many steps'
    """
    return Field(description=meaning, json_schema_extra={"aliases": list(aliases), "example": example}, **limits)


def as_tuple(value: Any) -> Any:
    """Converts a list to a tuple; returns any other value unchanged.

    >>> as_tuple([1, 2])
    (1, 2)
    """
    return tuple(value) if isinstance(value, list) else value


def _each_once(values: tuple) -> tuple:
    if len(set(values)) != len(values):
        raise ValueError("repeats a value: give each once")
    return values


Count = Annotated[int, Field(ge=1, le=MAX_INT)]
NotNegative = Annotated[int, Field(ge=0, le=MAX_INT)]
WholeNumber = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
WholeNumbers = Annotated[tuple[WholeNumber, ...], BeforeValidator(as_tuple)]
Numbers = Annotated[tuple[FiniteFloat, ...], BeforeValidator(as_tuple)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(as_tuple), AfterValidator(_each_once), Field(min_length=1)]


def aliases_of(group: type[BaseModel], prefix: str = "") -> dict[str, list[str]]:
    """Maps each alias to the dotted names of its settings.

    >>> class Optimizer(Group):
    ...     learning_rate: float = setting("step size", "lr")
    >>> aliases_of(Optimizer)
    {'lr': ['learning_rate']}
    """
    found: dict[str, list[str]] = {}
    for name, field in group.model_fields.items():
        kind, extra = field.annotation, field.json_schema_extra
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        inside = aliases_of(kind, f"{prefix}{name}.") if nested else {}  # type: ignore[arg-type]
        own: dict = extra if isinstance(extra, dict) else {}
        for alias in own.get("aliases", ()):
            inside.setdefault(alias, []).append(prefix + name)
        for alias, names in inside.items():
            found.setdefault(alias, []).extend(names)
    return found
