"""What counts as the same run: equal settings, data and source code, wherever the files are."""

import sys

import pytest

import pathjax
from pathjax.configs import digits, sweep
from pathjax.experiments.runner.identity import check_unchanged, identity, source_digests
from pathjax.experiments.runner.settings import parse_settings, with_changes
from pathjax.experiments.runner.study import cell_digest
from pathjax.experiments.sweep.grid import cells


@pytest.fixture
def settings():
    return parse_settings(digits.get_config())


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """`write(text)` makes it the source of the module `identity_own`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        sys.modules.pop("identity_own", None)
        (tmp_path / "identity_own.py").write_text(text)

    yield write
    sys.modules.pop("identity_own", None)


def write_text(folder, text):
    folder.mkdir()
    (folder / "text.txt").write_text(text * 200)
    return {"data.name": "text", "data.data_dir": str(folder / "text.txt"), "data.context": 8}


def test_data_count_by_their_content_and_not_by_their_folder(settings, tmp_path):
    here, there, other = (
        identity(with_changes(settings, write_text(tmp_path / name, text)))
        for name, text in (("a", "some text "), ("b", "some text "), ("c", "some test "))
    )
    assert here == there and here != other
    given = with_changes(settings, {"data.sha256": identity(settings)["data"]["sha256"]})
    assert identity(given) == identity(settings)


def test_own_functions_count_by_their_source(settings, own_module):
    own = with_changes(settings, {"loss": "identity_own:loss"})
    found = []
    for factor in (1, 1, 2):
        own_module(f"def loss(predict):\n    return lambda params, examples: {factor} * predict(params, examples[0])\n")
        found.append(identity(own))
    assert found[0] == found[1] != found[2]


def test_a_built_in_function_has_no_source(settings):
    assert source_digests(with_changes(settings, {"loss": "math:sqrt"})) == {"math:sqrt": None}


def test_a_cell_of_a_sweep_does_not_depend_on_what_changes_no_number():
    config = sweep.get_config()
    (same, *_), (other, *_), (seeded, *_) = (
        cells(with_changes(parse_settings(config), change)) for change in ({}, {"num_devices": 1}, {"seed": 5})
    )
    assert cell_digest("sweep", 1, same) == cell_digest("sweep", 1, other) != cell_digest("sweep", 1, seeded)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"data": {"sha256": "a"}}, {"data": {"sha256": "b"}, "sources": {}}, "data set has changed"),
        (
            {"data": {"sha256": "a"}, "sources": {"m:f": "1"}},
            {"data": {"sha256": "a"}, "sources": {"m:f": "2"}},
            "source file of m:f has changed",
        ),
    ],
    ids=["data", "source"],
)
def test_a_run_does_not_resume_from_other_data_or_code(before, now, message):
    check_unchanged(now, now)
    with pytest.raises(pathjax.InputError, match=message):
        check_unchanged(before, now)
    check_unchanged({}, now)  # as of a manifest of an earlier version
