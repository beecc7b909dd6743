import gzip
import json

import numpy as np
import pytest

import pathjax
from helpers.tfds_folders import write_folder
from pathjax.data import load_dataset
from pathjax.data.reviews import load_reviews
from pathjax.data.text import load_text


def test_texts_are_windows_whose_targets_are_the_next_tokens(tmp_path):
    words = "Grüße, naïve café — ok. " * 40
    (tmp_path / "words.txt").write_text(words, encoding="utf-8")
    (tmp_path / "words.txt.gz").write_bytes(gzip.compress(words.encode()))
    for level, symbols in (("character", list(words)), ("byte", list(words.encode().decode("latin-1")))):
        text = load_text(str(tmp_path / "words.txt"), level, context=16)
        packed = load_text(str(tmp_path / "words.txt.gz"), level, context=16)
        np.testing.assert_array_equal(text.train[0], packed.train[0])
        inputs, targets = (["".join(text.vocabulary[t] for t in row) for row in part] for part in text.train)
        assert "".join(inputs) == "".join(symbols[: 16 * len(inputs)])
        assert "".join(targets) == "".join(symbols[1 : 16 * len(inputs) + 1])
        cut = round(0.9 * len(symbols))
        assert [text.vocabulary[t] for t in text.test[0][0]] == symbols[cut : cut + 16]
        assert text.train[0].dtype == np.int32 and text.train[0].max() < len(text.vocabulary)


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("absent.txt", None, {}, "cannot be read"),
        ("empty.txt", b"", {}, "is empty"),
        ("latin.txt", "naïve".encode("latin-1") * 100, {}, "not UTF-8 .byte 2 is 0xef"),
        ("broken.gz", b"no gzip", {}, "cannot be read"),
        ("cut.gz", gzip.compress(b"abc" * 1000)[:-12], {}, "cannot be read"),
        ("short.txt", b"to be", {}, "too few for windows of 64"),
        ("good.txt", b"to be " * 100, {"level": "word"}, "choose one of character, byte"),
        ("good.txt", b"to be " * 100, {"context": 0}, "choose 1 or more"),
        ("good.txt", b"to be " * 100, {"test_share": 1.0}, "less than 1"),
    ],
    ids=["absent", "empty", "not-utf8", "not-gzip", "cut-gzip", "short", "level", "context", "test-share"],
)
def test_unusable_texts_give_one_line(tmp_path, name, content, settings, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_text(str(tmp_path / name), **settings)
    assert "\n" not in str(caught.value)


def jsonl(folder, rows, name="reviews.jsonl"):
    data = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(folder / name)


ROWS = [
    {"text": "A good film.", "label": "pos", "split": "train"},
    {"text": "A bad, BAD film", "label": "neg", "split": "train", "id": 3},
    {"text": "Unheard of: a good film, and longer than the rest", "label": "pos", "split": "test"},
]


def test_reviews_become_tokens_of_the_training_words(tmp_path):
    dataset = load_dataset("jsonl", jsonl(tmp_path, ROWS, "reviews.jsonl.gz"), max_length=5)
    # By frequency, then alphabetically: a bad film , . good
    assert dataset.train[0].tolist() == [[2, 7, 4, 6, 0], [2, 3, 5, 3, 4]]
    assert dataset.test[0].tolist() == [[1, 1, 1, 2, 7]]
    assert dataset.train[1].tolist() == [1, 0] and dataset.test[1].tolist() == [1]
    assert (dataset.num_classes, dataset.num_tokens) == (2, 8)
    assert dataset.train[0].dtype == dataset.train[1].dtype == np.int32
    few = load_dataset("jsonl", jsonl(tmp_path, ROWS), max_length=5, vocabulary_size=2)
    assert few.num_tokens == 4 and few.train[0].max() == 3


def test_the_seed_splits_a_file_without_splits(tmp_path):
    path = jsonl(tmp_path, [{"text": f"number {i}", "label": i % 2} for i in range(50)])
    one, same, other = (load_reviews(path, seed) for seed in (0, 0, 1))
    assert len(one.test[0]) == 5 and set(one.train[0]) | set(one.test[0]) == {f"number {i}" for i in range(50)}
    np.testing.assert_array_equal(one.test[0], same.test[0])
    assert set(one.test[0]) != set(other.test[0])


def test_the_vocabulary_comes_from_the_training_subset(tmp_path):
    path = jsonl(tmp_path, [{"text": f"number {i}", "label": i % 2} for i in range(50)])
    dataset = load_dataset("jsonl", path, num_train=10, balanced=True)
    assert dataset.num_tokens == 2 + 1 + 10 and np.bincount(dataset.train[1]).tolist() == [5, 5]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        (["", "  "], "no lines"),
        ([ROWS[0], "{'text': 1}"], "line 2 is not JSON"),
        (["3"], "line 1 is not a JSON object"),
        ([{"label": 1}], "line 1 has no field 'text'"),
        ([ROWS[0], "", {"text": "x"}], "line 3 has no field 'label'"),
        ([{"text": 1, "label": 1}], "line 1 has a text of type int"),
        ([{"text": "x", "label": 0.5}], "line 1 has the label 0.5"),
        ([{"text": "x", "label": 0, "split": "dev"}], "line 1 has the split 'dev'"),
        ([ROWS[0], {"text": "x", "label": "neg"}], "no split on 1 of 2 lines"),
        ([ROWS[0], ROWS[2]], "only one class .'pos'."),
        (
            [{"text": "x", "label": i} for i in range(2)],
            "has 2 texts, too few to test on a tenth of them: give more, or a split on each line",
        ),
        ([ROWS[0], ROWS[1]], "no texts for split 'test'"),
        ([{"text": "x", "label": 0}, {"text": "x", "label": "neg"}], "choose one kind"),
    ],
)
def test_unusable_reviews_give_one_line(tmp_path, rows, message):
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_dataset("jsonl", jsonl(tmp_path, rows))
    assert "\n" not in str(caught.value)


def test_damaged_files_give_one_line(tmp_path):
    good = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in ROWS))
    for at in range(0, len(good), 7):  # truncated files, and files with a flipped bit
        for data in (good[:at], good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]):
            (tmp_path / "reviews.jsonl.gz").write_bytes(data)
            try:
                load_dataset("jsonl", str(tmp_path / "reviews.jsonl.gz"))
            except pathjax.InputError as error:
                assert "\n" not in str(error)
    for name, data, message in (
        ("absent.jsonl", None, "cannot be read"),
        ("~nobody.at.all/x", None, "cannot be read"),
        ("no\0name", None, "cannot be read"),
        ("latin.jsonl", '{"text": "naïve"}'.encode("latin-1"), "not UTF-8"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(pathjax.InputError, match=message):
            load_dataset("jsonl", name if name.startswith("~") else str(tmp_path / name))
    with pytest.raises(pathjax.InputError, match="give its path as data_dir"):
        load_dataset("jsonl")


def test_a_byte_order_mark_is_ignored(tmp_path):
    rows = "".join(json.dumps(row) + "\n" for row in ROWS * 4)
    for name, level, text in (
        ("jsonl", "byte", rows),
        ("text", "byte", "to be " * 99),
        ("text", "character", "to be " * 99),
    ):
        digests = []
        for mark in ("", "\ufeff"):
            (tmp_path / "file").write_text(mark + text, encoding="utf-8")
            digests.append(load_dataset(name, str(tmp_path / "file"), level=level, context=8).origin["sha256"])
        assert digests[0] == digests[1]


def test_load_dataset_reads_any_text_file(tmp_path):
    (tmp_path / "words.txt").write_text("to be or not to be, " * 100)
    dataset = load_dataset("text", str(tmp_path / "words.txt"), context=16)
    inputs, labels = dataset.train
    assert inputs.shape == labels.shape == (112, 16) and (inputs[:, 1:] == labels[:, :-1]).all()
    assert dataset.num_classes == dataset.num_tokens == 8
    assert load_dataset("text", str(tmp_path / "words.txt"), level="byte").num_tokens == 256
    with pytest.raises(pathjax.InputError, match="these are tokens"):
        load_dataset("text", str(tmp_path / "words.txt"), standardize=True)
    with pytest.raises(pathjax.InputError, match="labels that are classes"):
        load_dataset("text", str(tmp_path / "words.txt"), balanced=True)


@pytest.mark.filterwarnings("ignore")
def test_reviews_of_tfds_become_tokens(tmp_path):
    parts = {
        "train": [("It is good. <br />", 1), ("bad: très bad", 0)],
        "test": [("good", 1), ("bad", 0), ("très", 0)],
        "unsupervised": [("who knows", -1)],
    }
    write_folder(tmp_path, "imdb_reviews", parts)
    dataset = load_dataset("imdb_reviews", str(tmp_path), max_length=3)
    assert dataset.train[0].shape == (2, 3) and sorted(dataset.test[1]) == [0, 0, 1]
    assert (dataset.test[0][:, 0] > 1).all() and (dataset.test[0][:, 1:] == 0).all()
    assert (dataset.num_classes, dataset.num_tokens) == (2, 2 + 11)
    assert dataset.origin["variant"] == "plain_text" and dataset.origin["version"] == "1.0.0"
