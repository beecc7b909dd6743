"""Verdicts on claims: what counts for and against each is written down before the run, and decided after it.

A file of predictions, committed before the run, names each claim and its criteria; what was found is added after it:

    {"predictions": [{"id": "W1", "source": "Yang & Hu 2021", "statement": "kernels of wide networks move under muP",
      "settings": {"width": 1024}, "for": "more than 0.1", "against": "less than 0.01", "command": "python -m ...",
      "verdict": "holds", "effect": 0.31, "interval": [0.28, 0.34]}]}
"""

import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import AliasGenerator, ConfigDict, Field, ValidationError, field_validator
from scipy import stats

from pathjax.analysis.multiple_tests import holm
from pathjax.core.errors import InputError, require
from pathjax.experiments.runner.settings import Group
from pathjax.io.run_folder import read_json, write_json

LEVEL = 0.05  # at which claims are decided, all of a file together
Verdict = Literal["holds", "fails", "mixed", "cannot tell"]
_NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
_REGIONS = (rf"more than {_NUMBER}", rf"less than {_NUMBER}", rf"{_NUMBER} to {_NUMBER}")
_EXPECTED = "expected 'more than X', 'less than X' or 'X to Y'"


class Region(NamedTuple):
    """Where an effect must lie, between two numbers."""

    low: float
    high: float


class Prediction(Group):
    """A claim that is tested.

    `counts_for` and `counts_against` are written "for" and "against": the region of the effect that counts for it, and
    that which counts against, as "more than X", "less than X" or "X to Y".
    """

    model_config = ConfigDict(alias_generator=AliasGenerator(alias=lambda name: name.removeprefix("counts_")))

    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    statement: str = Field(min_length=1)
    settings: dict[str, Any]
    counts_for: str
    counts_against: str
    command: str = Field(min_length=1)

    @field_validator("counts_for", "counts_against")
    @classmethod
    def _is_region(cls, text: str) -> str:
        region_of(text)
        return text


class Finding(NamedTuple):
    """An effect with its standard error, and the degrees of freedom of that."""

    effect: float
    stderr: float
    dof: float = math.inf


def region_of(text: str) -> Region:
    """The region that a criterion says.

    Raises:
        ValueError: for another text.

    >>> region_of("more than 0.5"), region_of("-1 to 1e-3")
    (Region(low=0.5, high=inf), Region(low=-1.0, high=0.001))
    """
    more, less, between = (re.fullmatch(pattern, text) for pattern in _REGIONS)
    if more:
        return Region(float(more[1]), math.inf)
    if less:
        return Region(-math.inf, float(less[1]))
    if between and float(between[1]) < float(between[2]):
        return Region(float(between[1]), float(between[2]))
    raise ValueError(f"'{text}': {_EXPECTED}")


def read_predictions(path: pathlib.Path) -> list[Prediction]:
    """The predictions of a file.

    Raises:
        InputError: for a file that cannot be read, a field that is missing or unknown, or an id that stands twice.
    """
    rows: Any = read_json(path).get("predictions")
    require(isinstance(rows, list) and len(rows) > 0, f"{path} has no predictions: give a list of them")
    found = []
    for i, row in enumerate(rows):
        try:
            found.append(Prediction.model_validate(row))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(f"{path}: prediction {i}: {where}: {first['msg']}") from error
    ids = [one.id for one in found]
    require(len(set(ids)) == len(ids), f"{path} has an id twice: {', '.join(ids)}")
    return found


def p_value_of(finding: Finding, region: Region) -> float:
    """The p-value of the hypothesis that the effect lies outside a region: the larger of two one-sided t-tests.

    >>> f"{p_value_of(Finding(2.0, 1.0), Region(0.0, math.inf)):.4f}"
    '0.0228'
    """
    if not (math.isfinite(finding.effect) and finding.stderr > 0):
        return 1.0
    above = (finding.effect - region.low) / finding.stderr
    below = (region.high - finding.effect) / finding.stderr
    return float(max(stats.t.sf(above, finding.dof), stats.t.sf(below, finding.dof)))


def judge(predictions: Sequence[Prediction], findings: Mapping[str, Sequence[Finding]]) -> list[dict]:
    """The verdict on each prediction; all tests together err with a probability of at most LEVEL (Holm).

    A prediction may have several findings (one for each of several settings): it holds where all do, fails where all
    do, is mixed where some hold and others fail, and otherwise one cannot tell. The effect is their mean, the interval
    of 95% that of the mean, uncorrected.

    Raises:
        InputError: for a prediction without a finding.

    >>> row = {"id": "a", "source": "x", "statement": "y", "settings": {}, "command": "z"}
    >>> claim = Prediction.model_validate(row | {"for": "more than 1", "against": "less than 1"})
    >>> judge([claim], {"a": [Finding(2.0, 0.1)]})[0]["verdict"]
    'holds'
    """
    missing = [one.id for one in predictions if not findings.get(one.id)]
    require(not missing, f"nothing was found for prediction {', '.join(missing)}: measure it, or leave it out")
    tests = [(one, finding) for one in predictions for finding in findings[one.id]]
    regions = [(region_of(one.counts_for), region_of(one.counts_against)) for one, _ in tests]
    raw = [p_value_of(finding, r) for (_, finding), pair in zip(tests, regions, strict=True) for r in pair]
    decided = holm(raw).reshape(-1, 2) < LEVEL
    rows = []
    for one in predictions:
        own = [d for d, (other, _) in zip(decided, tests, strict=True) if other.id == one.id]
        effect, interval = _mean(findings[one.id])
        plain = one.model_dump(by_alias=True)
        rows.append(plain | {"verdict": _verdict(own), "effect": effect, "interval": interval})
    return rows


def _verdict(decided: Sequence[Sequence[bool]]) -> Verdict:
    """Of pairs (counts for, counts against)."""
    holds, fails = ([bool(pair[i]) for pair in decided] for i in range(2))
    if all(holds):
        return "holds"
    if all(fails):
        return "fails"
    return "mixed" if any(holds) and any(fails) else "cannot tell"


def _mean(findings: Sequence[Finding]) -> tuple[float, list[float]]:
    """The mean effect, and its interval of 95%, by the errors of its parts."""
    effect = sum(one.effect for one in findings) / len(findings)
    stderr = math.sqrt(sum(one.stderr**2 for one in findings)) / len(findings)
    half = stderr * float(stats.t.ppf(0.975, min(one.dof for one in findings)))
    return effect, [effect - half, effect + half]


def write_verdicts(path: pathlib.Path, rows: Sequence[dict]) -> None:
    """Write what `judge` found as {"predictions": [...]}."""
    write_json(path, {"predictions": list(rows)})
