import gzip
import json
import tracemalloc

import numpy as np
import PIL.Image
import pytest

import pathjax
from helpers.tfds_folders import write_folder, write_other
from pathjax.data import load_dataset
from pathjax.data.files import read_bytes
from pathjax.data.idx import FILES

ignoring = pytest.mark.filterwarnings("ignore")  # TFDS warns about OpenCV and about the files it writes
RNG = np.random.default_rng(0)


def pixels(num, *shape):
    return RNG.integers(0, 256, (num, *shape), np.uint8)


def examples(images):
    """Examples for TFDS, with gray images without a channel axis."""
    plain = (image[..., 0] if image.shape[-1] == 1 else image for image in images)
    return [(PIL.Image.fromarray(image), i % 10) for i, image in enumerate(plain)]


@ignoring
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("fashion_mnist", (28, 28, 1)),
        ("kmnist", (28, 28, 1)),
        ("cifar10", (32, 32, 3)),
        ("svhn_cropped", (32, 32, 3)),
    ],
)
def test_a_tfds_folder_is_read_as_it_was_written(tmp_path, name, shape):
    images = {"train": pixels(30, *shape), "test": pixels(20, *shape)}
    write_folder(tmp_path, name, {split: examples(some) for split, some in images.items()})
    dataset = load_dataset(name, str(tmp_path))
    assert dataset.num_classes == 10 and dataset.num_tokens is None
    for split, (inputs, labels) in (("train", dataset.train), ("test", dataset.test)):
        assert inputs.shape == images[split].shape and inputs.dtype == np.float32 and labels.dtype == np.int32
        # TFDS shuffles when it writes, so look up each image.
        original = {image.tobytes(): i % 10 for i, image in enumerate(images[split])}
        back = np.round(inputs * 255).astype(np.uint8)
        assert [original[image.tobytes()] for image in back] == labels.tolist()


@ignoring
def test_images_of_different_sizes_are_resized_and_validation_replaces_test(tmp_path):
    sizes = [(40, 50), (30, 60), (64, 64)] * 4
    some = [np.full((*size, 3), (255, 0, 51), np.uint8) for size in sizes]
    write_folder(tmp_path, "imagenette/160px-v2", {"train": examples(some), "validation": examples(some[:5])})
    for name in ("imagenette", "imagenette/160px-v2"):
        with pytest.raises(pathjax.InputError, match="different sizes .* set image_size"):
            load_dataset(name, str(tmp_path))
        dataset = load_dataset(name, str(tmp_path), image_size=16)
        assert dataset.train[0].shape == (12, 16, 16, 3) and dataset.test[0].shape == (5, 16, 16, 3)
        np.testing.assert_allclose(dataset.train[0].mean((0, 1, 2)), (1, 0, 0.2), atol=0.02)  # JPEG errors
        assert dataset.origin["image_size"] == 16 and dataset.origin["splits"] == ["train", "validation"]
    write_folder(tmp_path, "imagenette/320px-v2", {"train": examples(some), "validation": examples(some[:5])})
    with pytest.raises(pathjax.InputError, match="choose one of imagenette/160px-v2, imagenette/320px-v2"):
        load_dataset("imagenette", str(tmp_path))


@ignoring
def test_the_error_for_a_missing_set_has_the_command_that_prepares_it(tmp_path):
    with pytest.raises(pathjax.InputError, match=r"not in .*python -m pathjax.data.prepare mnist --data_dir=DIR"):
        load_dataset("mnist", str(tmp_path))
    with pytest.raises(pathjax.InputError, match=r"not in .*python -m pathjax.data.prepare cifar100"):
        load_dataset("cifar100", str(tmp_path))  # known to TFDS
    (tmp_path / "mnist").mkdir()
    with pytest.raises(pathjax.InputError, match="cannot be read"):
        load_dataset("mnist", str(tmp_path))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A set with files large enough to be damaged in the middle: its data_dir, and the folder of its files."""
    folder = tmp_path_factory.mktemp("damaged")
    parts = {"train": examples(pixels(300, 28, 28, 1)), "test": examples(pixels(300, 28, 28, 1))}
    return folder, write_folder(folder, "kmnist", parts)


def check_rejected(folder, message):
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_dataset("kmnist", str(folder))
    assert "\n" not in str(caught.value) and "python -m pathjax.data.prepare kmnist" in str(caught.value)


@ignoring
def test_damaged_files_of_tfds_give_one_line(written):
    folder, path = written
    file = next(path.glob("*test*"))
    original = file.read_bytes()
    used = len(original.rstrip(b"\0")) if len(original) > 100_000 else 100_000
    try:
        for data in (
            original[: used // 2],
            b"",
            original[: used // 2] + bytes([original[used // 2] ^ 1]) + original[used // 2 + 1 :],
        ):
            file.write_bytes(data)
            check_rejected(folder, "cannot be read")
        file.unlink()
        check_rejected(folder, "is missing")
    finally:
        file.write_bytes(original)
    assert len(load_dataset("kmnist", str(folder)).test[0]) == 300


@ignoring
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["splits"][1].update(shardLengths=["299"]), "has 300 examples, but .* says 299"),
        (lambda info: info["splits"][1].update(shardLengths=["301"]), "has 300 examples, but .* says 301"),
        (lambda info: info.update(fileFormat="tfrecord"), "prepared as tfrecord, not as array_record"),
        (lambda info: info["splits"].pop(), "the splits train: expected train and test"),
        (lambda info: info["splits"][1].update(filepathTemplate="{DATASET}-{SPLAT}"), "cannot be read"),
    ],
)
def test_a_folder_that_contradicts_its_info_gives_one_line(written, change, message):
    folder, path = written
    file = path / "dataset_info.json"
    original = file.read_text()
    info = json.loads(original)
    change(info)
    try:
        file.write_text(json.dumps(info))
        with pytest.raises(pathjax.InputError, match=message):
            load_dataset("kmnist", str(folder))
        file.write_text(original[: len(original) // 2])
        check_rejected(folder, "cannot be read")
    finally:
        file.write_text(original)


def idx(array, code=8, dtype=np.uint8):
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(dtype).tobytes()


def write_idx(folder, packed=False, **changes):
    """Writes the four files of 30 + 20 images; `changes` replaces contents by the start of a file's name."""
    arrays = {}
    for (part, (images, labels)), num in zip(FILES.items(), (30, 20), strict=True):
        arrays[part] = (pixels(num, 6, 5), np.arange(num) % 10)
        for name, array in zip((images, labels), arrays[part], strict=True):
            data = changes.get(name.replace("-", "_").split("_idx")[0], idx(array))
            if data is not None:
                (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return arrays


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_idx_files_are_read_as_they_were_written(tmp_path, name, packed):
    arrays = write_idx(tmp_path, packed)
    dataset = load_dataset(name, str(tmp_path))
    for part, (inputs, labels) in (("train", dataset.train), ("test", dataset.test)):
        np.testing.assert_array_equal(np.round(inputs[..., 0] * 255), arrays[part][0])
        np.testing.assert_array_equal(labels, arrays[part][1])
        assert inputs.dtype == np.float32 and labels.dtype == np.int32
    assert dataset.num_classes == 10 and dataset.origin["source"] == "idx files"
    assert load_dataset(name, str(tmp_path), image_size=3).train[0].shape == (30, 3, 3, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": None}, "not train-labels-idx1-ubyte: add them"),
        ({"train_labels": b""}, "is empty"),
        ({"train_labels": b"\x1f\x8b\x08\x00 zipped"}, "not an idx file .it starts with 1f 8b 08 00"),
        ({"train_images": idx(np.zeros(30))}, "has 1 dimensions, expected 3"),
        ({"t10k_images": bytes([0, 0, 8, 3, 0, 0])}, "ends inside its header"),
        ({"t10k_images": idx(np.zeros((20, 6, 5)))[:-1]}, "has 599 values, but its header says 20x6x5"),
        ({"t10k_images": idx(np.zeros((20, 6, 5))) + b"1"}, "has 601 values"),
        ({"t10k_labels": idx(np.zeros(19))}, "20 images but .* 19 labels"),
        ({"t10k_labels": idx(np.full(20, 10))}, "has a label 10"),
        ({"t10k_labels": idx(np.zeros(0)), "t10k_images": idx(np.zeros((0, 6, 5)))}, "has no images"),
        ({"t10k_images": idx(np.zeros((20, 7, 5)))}, "different sizes .6x5x1 and 7x5x1, .* set image_size"),
        ({"train_images": idx(np.zeros((30, 0, 0)))}, "image 0 is 0x0x1: .* each 1 or more"),
        (
            {"train_images": idx(np.full((30, 6, 5), 0.5), 13, ">f4")},
            "has float32 values from 0.5 to 0.5: convert them",
        ),
        ({"train_labels": idx(np.full(30, -1), 12, ">i4")}, "has int32 values from -1 to -1: convert them to whole"),
        ({"train_labels": idx(np.zeros(30), 10)}, "not an idx file .it starts with 00 00 0a 01"),
    ],
)
def test_unusable_idx_files_give_one_line(tmp_path, changes, message):
    write_idx(tmp_path, **changes)
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_dataset("mnist", str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("code", "dtype"), [(9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_idx_files_of_other_types_are_read_if_they_hold_bytes(tmp_path, code, dtype):
    images, labels = pixels(30, 6, 5) % 128, np.arange(30) % 10
    write_idx(tmp_path, train_images=idx(images, code, dtype), train_labels=idx(labels, code, dtype))
    inputs, found = load_dataset("mnist", str(tmp_path)).train
    np.testing.assert_array_equal(np.round(inputs[..., 0] * 255), images)
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_files_are_found_where_torchvision_puts_them(tmp_path, name, folder):
    for one in ("MNIST", "FashionMNIST", "KMNIST"):
        raw = tmp_path / one / "raw"
        raw.mkdir(parents=True)
        write_idx(raw, train_labels=idx(np.full(30, len(one) % 10)))
    for place in (tmp_path, tmp_path / folder, tmp_path / folder / "raw"):
        assert (load_dataset(name, str(place)).train[1] == len(folder) % 10).all()


@pytest.mark.parametrize("end", ["", ".gz"])
def test_names_may_have_a_dot_before_idx(tmp_path, end):
    arrays = write_idx(tmp_path, packed=bool(end))
    for path in tmp_path.iterdir():
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    np.testing.assert_array_equal(load_dataset("mnist", str(tmp_path)).train[1], arrays["train"][1])


def test_archives_that_expand_without_end_are_refused_before_they_fill_the_memory(tmp_path):
    bomb = tmp_path / "reviews.jsonl.gz"
    with gzip.open(bomb, "wb") as file:
        for _ in range(400):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(pathjax.InputError, match="expands to more than 64 MiB, 100 times its size"):
        read_bytes(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 64 * 2**20 + 2**20


def test_damaged_idx_archives_give_one_line(tmp_path):
    write_idx(tmp_path, packed=True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    original = file.read_bytes()
    for data in (original[:-20], original[:200] + bytes([original[200] ^ 1]) + original[201:], b"no gzip"):
        file.write_bytes(data)
        with pytest.raises(pathjax.InputError, match="cannot be read .*: give an idx file"):
            load_dataset("mnist", str(tmp_path))


def features_of(image, label=None):
    import tensorflow_datasets as tfds

    return {"image": image, "label": tfds.features.ClassLabel(num_classes=2) if label is None else label}


@ignoring
def test_sets_of_unsupported_kinds_give_one_line(tmp_path):
    import tensorflow_datasets as tfds

    image, of_bytes, words = tfds.features.Image, tfds.features.Tensor, tfds.features.Text()
    gray, several = image(shape=(2, 2, 1)), tfds.features.Sequence(tfds.features.ClassLabel(num_classes=2))
    zeros, tall = ({"image": PIL.Image.new("L", size), "label": 0} for size in ((2, 2), (2, 3)))
    flat, deep = zeros | {"image": np.zeros((4, 4), np.uint8)}, zeros | {"image": np.zeros((2, 4, 4, 3), np.uint8)}
    latin = {"text": "caf\xe9".encode("latin-1"), "label": 0}
    for i, (features, train, test, message) in enumerate(
        [
            (features_of(of_bytes(shape=(4, 4), dtype=np.uint8)), flat, flat, "image 0 is 4x4: expected height by"),
            (features_of(of_bytes(shape=(2, 4, 4, 3), dtype=np.uint8)), deep, deep, "image 0 is 2x4x4x3"),
            (features_of(gray, several), zeros | {"label": [0, 1]}, zeros | {"label": [1]}, "one label with a number"),
            ({"text": words} | {"label": features_of(gray)["label"]}, latin, latin, "text 0 of 'train' .*is not UTF-8"),
            (features_of(image(shape=(None, None, 1))), zeros, tall, "different sizes .2x2x1 and 3x2x1"),
        ]
    ):
        write_other(tmp_path, f"other{i}", features, {"train": [train] * 3, "test": [test] * 2})
        with pytest.raises(pathjax.InputError, match=message) as caught:
            load_dataset(f"other{i}", str(tmp_path))
        assert "\n" not in str(caught.value)
    assert load_dataset("other4", str(tmp_path), image_size=2).test[0].shape == (2, 2, 2, 1)
    with pytest.raises(pathjax.InputError, match="unknown data set 'other5'.*other4 is a set's own folder"):
        load_dataset("other5", str(tmp_path / "other4"))
    with pytest.raises(pathjax.InputError, match="'mnist' is not in .*other4 is a set's own folder: give its parent"):
        load_dataset("mnist", str(tmp_path / "other4"))
    features = tmp_path / "other4" / "1.0.0" / "features.json"
    features.write_text(features.read_text().replace('"uint8"', '"uint16"'))  # only TensorFlow can write such images
    with pytest.raises(pathjax.InputError, match="has images of uint16: expected bytes"):
        load_dataset("other4", str(tmp_path))
    features.write_text(features.read_text().replace('"uint16"', '"uint8"'))
    next((tmp_path / "other4").glob("*/*train*")).unlink()
    with pytest.raises(pathjax.InputError, match="is missing.*: create it again"):
        load_dataset("other4", str(tmp_path))
