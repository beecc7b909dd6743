"""Verdicts on claims, whose criteria are fixed before the run.

A file of predictions, committed before the run, names each claim and its criteria; the verdicts are added after it:

    {"predictions": [{"id": "W1", "source": "Yang & Hu 2021", "statement": "kernels of wide networks move under muP",
      "settings": {"width": 1024}, "for": "more than 0.1", "against": "less than 0.01", "command": "python -m ...",
      "verdict": "holds", "effect": 0.31, "interval": [0.28, 0.34]}]}
"""

import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import AliasGenerator, ConfigDict, Field, ValidationError, field_validator, model_validator
from scipy import stats

from pathjax.analysis.multiple_tests import holm
from pathjax.core.errors import InputError, require
from pathjax.experiments.runner.settings import Group
from pathjax.io.run_folder import read_json, write_json

LEVEL = 0.05  # family-wise error rate of all claims of a file
Verdict = Literal["holds", "fails", "mixed", "cannot tell"]
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_REGIONS = (rf"more than {_NUMBER}", rf"less than {_NUMBER}", rf"{_NUMBER} to {_NUMBER}")
_EXPECTED = "expected 'more than X', 'less than X' or 'X to Y', of finite numbers"


class Region(NamedTuple):
    """The interval in which an effect must lie."""

    low: float
    high: float


class Prediction(Group):
    """A claim, with the criteria that test it.

    `counts_for` and `counts_against` are the keys "for" and "against" in the file: the regions of the effect that count
    for and against the claim, as "more than X", "less than X" or "X to Y"; they must not overlap. `judge` adds
    `verdict`, `effect` and `interval`, and does not read them.
    """

    model_config = ConfigDict(alias_generator=AliasGenerator(alias=lambda name: name.removeprefix("counts_")))

    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    statement: str = Field(min_length=1)
    settings: dict[str, Any]
    counts_for: str
    counts_against: str
    command: str = Field(min_length=1)
    verdict: Verdict | None = None
    effect: float | None = None
    interval: tuple[float, float] | None = Field(default=None, strict=False)

    @field_validator("counts_for", "counts_against")
    @classmethod
    def _is_region(cls, text: str) -> str:
        region_of(text)
        return text

    @model_validator(mode="after")
    def _do_not_overlap(self) -> "Prediction":
        low, high = sorted((region_of(self.counts_for), region_of(self.counts_against)))
        if low.high > high.low:
            raise ValueError(
                f"for ({self.counts_for}) and against ({self.counts_against}) overlap: give disjoint regions"
            )
        return self


class Finding(NamedTuple):
    """An effect with its standard error, and the degrees of freedom of the error. A claim with an error of 0 or NaN
    cannot be decided."""

    effect: float
    stderr: float
    dof: float = math.inf


def region_of(text: str) -> Region:
    """Parses the region of a criterion.

    Raises:
        ValueError: if the text is not "more than X", "less than X" or "X to Y".

    >>> region_of("more than 0.5"), region_of("-1 to 1e-3")
    (Region(low=0.5, high=inf), Region(low=-1.0, high=0.001))
    """
    more, less, between = (re.fullmatch(pattern, text) for pattern in _REGIONS)
    numbers = [float(number) for match in (more, less, between) if match for number in match.groups()]
    if not numbers or not all(map(math.isfinite, numbers)) or (between and numbers[0] >= numbers[1]):
        raise ValueError(f"'{text}': {_EXPECTED}")
    return Region(-math.inf if less else numbers[0], math.inf if more else numbers[-1])


def read_predictions(path: pathlib.Path) -> list[Prediction]:
    """Reads the predictions of a file.

    Raises:
        InputError: if the file cannot be read, a field is missing or unknown, or an id is repeated.
    """
    rows: Any = read_json(path).get("predictions")
    require(isinstance(rows, list) and len(rows) > 0, f"{path} has no predictions: give a list of them")
    found = []
    for i, row in enumerate(rows):
        try:
            found.append(Prediction.model_validate(row))
        except ValidationError as error:
            raise InputError(f"{path}: prediction {i}: {_said(dict(error.errors(include_url=False)[0]))}") from error
    ids = [one.id for one in found]
    require(len(set(ids)) == len(ids), f"{path} repeats an id ({', '.join(ids)}): give each prediction its own")
    return found


def _said(error: dict) -> str:
    """Describes an invalid field, and what is expected."""
    where, kind = ".".join(map(str, error["loc"])), error["type"]
    known = ", ".join(name.removeprefix("counts_") for name in Prediction.model_fields)
    if not where and kind != "value_error":
        return f"it is {error['input']!r}: expected an object with {known}"
    if kind in ("missing", "extra_forbidden"):
        return f"{where} is {'missing' if kind == 'missing' else 'unknown'}: the fields are {known}"
    if kind == "value_error":
        return f"{where}: {error['ctx']['error']}" if where else str(error["ctx"]["error"])
    return f"{where} is {error['input']!r}: {error['msg'].removeprefix('Input ')}"


def p_value_of(finding: Finding, region: Region) -> float:
    """Computes the p-value of the hypothesis that the effect lies outside a region, by two one-sided t-tests.

    It is the larger of the two tests' p-values.

    >>> f"{p_value_of(Finding(2.0, 1.0), Region(0.0, math.inf)):.4f}"
    '0.0228'
    """
    if not (math.isfinite(finding.effect) and finding.stderr > 0):
        return 1.0
    above = (finding.effect - region.low) / finding.stderr
    below = (region.high - finding.effect) / finding.stderr
    return float(max(stats.t.sf(above, finding.dof), stats.t.sf(below, finding.dof)))


def judge(predictions: Sequence[Prediction], findings: Mapping[str, Sequence[Finding]]) -> list[dict]:
    """Decides each prediction; the probability of any wrong decision is at most LEVEL (Holm).

    A prediction may have several findings, one for each of several settings. The verdict is "holds" if it holds for
    all, "fails" if it fails for all, "mixed" if it holds for some and fails for others, and otherwise "cannot tell".
    The effect is the mean of the findings, and the interval is the mean's uncorrected 95% confidence interval.

    Raises:
        InputError: if a prediction has no finding, a finding no prediction, an id is repeated, or an error or its
            degrees of freedom are negative.

    >>> row = {"id": "a", "source": "x", "statement": "y", "settings": {}, "command": "z"}
    >>> claim = Prediction.model_validate(row | {"for": "more than 1", "against": "less than 1"})
    >>> judge([claim], {"a": [Finding(2.0, 0.1)]})[0]["verdict"]
    'holds'
    """
    _check(predictions, findings)
    tests = [(one, finding) for one in predictions for finding in findings[one.id]]
    regions = [(region_of(one.counts_for), region_of(one.counts_against)) for one, _ in tests]
    raw = [p_value_of(finding, r) for (_, finding), pair in zip(tests, regions, strict=True) for r in pair]
    decided = holm(raw).reshape(-1, 2) < LEVEL
    rows = []
    for one in predictions:
        own = [d for d, (other, _) in zip(decided, tests, strict=True) if other.id == one.id]
        effect, interval = _mean(findings[one.id])
        plain = one.model_dump(by_alias=True, exclude={"verdict", "effect", "interval"})
        rows.append(plain | {"verdict": _verdict(own), "effect": effect, "interval": interval})
    return rows


def _check(predictions: Sequence[Prediction], findings: Mapping[str, Sequence[Finding]]) -> None:
    ids = [one.id for one in predictions]
    require(len(set(ids)) == len(ids), f"an id is repeated ({', '.join(ids)}): give each prediction its own")
    missing = [name for name in ids if not findings.get(name)]
    require(not missing, f"no finding for prediction {', '.join(missing)}: measure it, or leave it out")
    unknown = sorted(findings.keys() - set(ids))
    require(not unknown, f"no prediction has the id {', '.join(unknown)} of a finding: choose from {', '.join(ids)}")
    for name in ids:
        for one in findings[name]:
            valid = not one.stderr < 0 and one.dof > 0
            require(
                valid, f"finding of {name}: stderr must be 0 or more and dof more than 0, not {one.stderr}, {one.dof}"
            )


def _verdict(decided: Sequence[Sequence[bool]]) -> Verdict:
    """Returns the verdict for pairs (counts for, counts against)."""
    holds, fails = ([bool(pair[i]) for pair in decided] for i in range(2))
    if all(holds):
        return "holds"
    if all(fails):
        return "fails"
    return "mixed" if any(holds) and any(fails) else "cannot tell"


def _mean(findings: Sequence[Finding]) -> tuple[float, list[float]]:
    """Returns the mean effect and its 95% interval, from the errors of the findings."""
    effect = sum(one.effect for one in findings) / len(findings)
    stderr = math.sqrt(sum(one.stderr**2 for one in findings)) / len(findings)
    half = stderr * float(stats.t.ppf(0.975, min(one.dof for one in findings)))
    return effect, [effect - half, effect + half]


def write_verdicts(path: pathlib.Path, rows: Sequence[dict]) -> None:
    """Writes the rows of `judge` as {"predictions": [...]}."""
    write_json(path, {"predictions": list(rows)})
