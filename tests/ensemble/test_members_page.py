"""The code of docs/members.md runs, in short."""

import pathlib
import re
from typing import Any

import jax
import numpy as np
import pytest

import pathjax

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "members.md"


@pytest.fixture(autouse=True)
def as_for_users():
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.slow
def test_the_code_of_the_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks[0].strip().splitlines()) - blocks[0].count("\n\n") <= 26  # a tree of forks in 25 lines
    space: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.replace("steps = len(labels), 800", "steps = len(labels), 16"), str(PAGE), "exec"), space)
    distance = space["result"].records["distance"]
    assert (distance[1, :64] == 0).all() and (distance[2, 8:64] > 0).all()  # before and after the first fork
    assert (distance[2, :8] == 0).all() and (distance[3, 1:8] > 0).all()  # and the second
    assert space["rest"].steps["distance"].tolist() == [16, 20, 24, 28, 32]
    schedule = space["schedule"]
    short = pathjax.Schedule(np.asarray(schedule.indices)[:16], None, schedule.key)
    members = pathjax.with_schedules(space["members"], np.arange(256) % 2)
    examples = (space["inputs"], space["labels"])
    counts = pathjax.rollout(space["dynamics"], members, examples, short, [space["crossings"]]).records["crossings"]
    assert (counts[:, 0] == 0).all() and (counts[-1, 64:] > 0).all()
