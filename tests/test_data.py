import gzip

import numpy as np
import PIL.Image
import pytest

import pathjax
from pathjax.data import load_dataset
from pathjax.data.synthetic import SYNTHETIC, slabs, spirals
from pathjax.data.text import load_text


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A real TFDS folder with some images in Fashion-MNIST's format, written without TensorFlow."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    rng = np.random.default_rng(0)
    images = {split: rng.integers(0, 256, (n, 28, 28), np.uint8) for split, n in (("train", 30), ("test", 20))}
    real = tfds.builder_cls("fashion_mnist")

    class Local(real, skip_registration=True):
        name = "fashion_mnist"

        def _split_generators(self, manager):
            return {split: self._generate_examples(split) for split in images}

        def _generate_examples(self, split):
            for i, image in enumerate(images[split]):
                yield i, {"image": PIL.Image.fromarray(image), "label": i % 10}

    Local(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder, images


@pytest.mark.filterwarnings("ignore")
def test_a_tfds_folder_is_read_as_it_was_written(prepared):
    folder, images = prepared
    dataset = load_dataset("fashion_mnist", str(folder))
    for split, (inputs, labels) in (("train", dataset.train), ("test", dataset.test)):
        assert inputs.shape == (len(images[split]), 28, 28, 1) and inputs.dtype == np.float32
        # TFDS shuffles when it writes: find each image again.
        original = {image.tobytes(): i % 10 for i, image in enumerate(images[split])}
        back = np.round(inputs[..., 0] * 255).astype(np.uint8)
        assert [original[image.tobytes()] for image in back] == labels.tolist()


@pytest.mark.filterwarnings("ignore")
def test_an_absent_set_names_the_command_that_prepares_it(tmp_path):
    with pytest.raises(pathjax.InputError, match=r"not in .*python -m pathjax.data.prepare mnist"):
        load_dataset("mnist", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    with pytest.raises(pathjax.InputError, match="cannot be read"):
        load_dataset("mnist", str(tmp_path))


def test_digits_are_split_in_a_fixed_order_into_unit_pixels():
    one, two = load_dataset("digits"), load_dataset("digits")
    np.testing.assert_array_equal(one.train[0], two.train[0])
    assert one.test[0].shape == (297, 8, 8, 1) and one.train[0].min() == 0 and one.train[0].max() == 1
    assert set(one.test[1]) == set(range(10))


def test_an_unknown_set_is_refused():
    with pytest.raises(pathjax.InputError, match="unknown data set 'minst': choose one of digits"):
        load_dataset("minst")


@pytest.mark.parametrize("name", sorted(SYNTHETIC))
def test_drawn_sets_are_the_same_every_time_and_their_classes_balanced(name):
    one, two = load_dataset(name), load_dataset(name)
    np.testing.assert_array_equal(one.train[0], two.train[0])
    assert one.train[0].dtype == np.float32 and one.train[1].dtype == np.int32
    shares = np.bincount(one.train[1], minlength=one.num_classes) / len(one.train[1])
    np.testing.assert_allclose(shares, 1 / one.num_classes, atol=0.03)


def test_other_seeds_are_other_draws():
    for draw, _ in SYNTHETIC.values():
        (inputs, _), _ = draw(seed=0)
        assert (draw(seed=1)[0][0] != inputs).any()


@pytest.mark.parametrize("num_slabs", [3, 5, 7])
def test_slabs_are_told_by_either_of_two_inputs_and_by_no_other(num_slabs):
    (inputs, labels), _ = slabs(num_slabs, margin=0.05)
    assert ((inputs[:, 0] > 0) == (labels == 1)).all()
    which = np.floor((inputs[:, 1] + 1) * num_slabs / 2)
    assert (which % 2 == labels).all() and set(which) == set(range(num_slabs))
    for other in inputs[:, 2:].T:
        assert abs(np.corrcoef(other, labels)[0, 1]) < 0.1
    linear = np.abs(np.corrcoef(inputs[:, 1], labels)[0, 1])
    assert linear < 0.1  # no line tells slabs apart


def test_spirals_are_told_by_their_angle_at_a_radius():
    (inputs, labels), _ = spirals(num_classes=3, sd=0.0)
    radius = np.linalg.norm(inputs, axis=1)
    angle = np.arctan2(inputs[:, 1], inputs[:, 0]) - 2 * np.pi * 1.5 * radius
    np.testing.assert_array_equal(np.round(angle * 3 / (2 * np.pi)) % 3, labels)


def test_texts_are_windows_whose_targets_are_the_next_tokens(tmp_path):
    words = "Grüße, naïve café — ok. " * 40
    (tmp_path / "words.txt").write_text(words, encoding="utf-8")
    (tmp_path / "words.txt.gz").write_bytes(gzip.compress(words.encode()))
    for level, whole in (("character", list(words)), ("byte", list(words.encode().decode("latin-1")))):
        text = load_text(str(tmp_path / "words.txt"), level, context=16)
        packed = load_text(str(tmp_path / "words.txt.gz"), level, context=16)
        np.testing.assert_array_equal(text.train[0], packed.train[0])
        inputs, targets = (["".join(text.vocabulary[t] for t in row) for row in part] for part in text.train)
        assert "".join(inputs) == "".join(whole[: 16 * len(inputs)])
        assert "".join(targets) == "".join(whole[1 : 16 * len(inputs) + 1])
        cut = round(0.9 * len(whole))
        assert [text.vocabulary[t] for t in text.test[0][0]] == whole[cut : cut + 16]
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
)
def test_texts_that_cannot_be_used_are_one_line(tmp_path, name, content, settings, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_text(str(tmp_path / name), **settings)
    assert "\n" not in str(caught.value)
