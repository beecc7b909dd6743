"""All Python blocks of README and docs run, in order, page by page."""

import pathlib
import re

import jax
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def user_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    with jax.numpy_rank_promotion("allow"):
        yield tmp_path


# tests/training/test_recipes.py runs the recipes, and tests/ensemble/test_members_page.py members.md, in short.
TESTED_ELSEWHERE, SLOW = ("recipes.md", "members.md"), ("models.md",)
RUN = [
    pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else [])
    for page in PAGES
    if blocks(page) and page.name not in TESTED_ELSEWHERE
]


@pytest.mark.parametrize("page", RUN)
def test_code_blocks_run(page, user_environment):
    space = {}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), space)
        if "records" in space:
            assert np.isfinite(space["records"]["distance"]).all()
            assert (space["records"]["distance"][:, 1] == 0).all()


def test_the_quickstart_is_short_and_writes_its_page(user_environment):
    block = blocks(ROOT / "README.md")[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    exec(block, {})
    assert "distance" in (user_environment / "results" / "mine" / "report.html").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_link_targets_exist(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", page.read_text())
    for link in (a or b for a, b in links):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_named_files_and_programs_exist(page):
    text = page.read_text()
    for name in re.findall(r"`((?:pathjax|experiments|configs|tests|docs)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name
    for module in re.findall(r"python -m ((?:pathjax\.)?experiments(?:\.[a-z]\w*)+)", text):
        path = ROOT / module.removeprefix("pathjax.").replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
