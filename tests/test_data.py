import numpy as np
import PIL.Image
import pytest

import pathjax
from pathjax.data import load_dataset


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
    with pytest.raises(pathjax.InputError, match=r"not in .*python -m experiments.prepare_data --dataset=mnist"):
        load_dataset("mnist", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    with pytest.raises(pathjax.InputError, match="cannot be read"):
        load_dataset("mnist", str(tmp_path))


def test_digits_are_split_in_a_fixed_order_into_unit_pixels():
    one, two = load_dataset("digits"), load_dataset("digits")
    np.testing.assert_array_equal(one.train[0], two.train[0])
    assert one.test[0].shape == (297, 64) and one.train[0].min() == 0 and one.train[0].max() == 1
    assert set(one.test[1]) == set(range(10))


def test_an_unknown_set_is_refused():
    with pytest.raises(pathjax.InputError, match="unknown data set 'minst': choose one of digits"):
        load_dataset("minst")
