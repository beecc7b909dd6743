"""Files as people have them become data sets: arrays, tables, Hugging Face folders; in memory, or left in files."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

import pathjax
from pathjax.data import load_dataset

datasets = pytest.importorskip("datasets")
DIGITS = load_digits()
IMAGES, CLASSES = (15 * DIGITS.images[:300]).astype(np.uint8), DIGITS.target[:300]
NUM_TEST = 30


def png(image):
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def as_npz(folder):
    np.savez(folder / "a.npz", images=IMAGES, labels=CLASSES)
    return "npz", folder / "a.npz"


def as_npz_of_splits(folder):
    np.savez_compressed(folder / "a.npz", x_train=IMAGES[:-NUM_TEST], y_train=CLASSES[:-NUM_TEST, None],
                        x_test=IMAGES[-NUM_TEST:], y_test=CLASSES[-NUM_TEST:, None])  # fmt: skip
    return "npz", folder / "a.npz"


def as_npy(folder):
    np.save(folder / "inputs.npy", IMAGES[..., None])
    np.save(folder / "labels.npy", CLASSES)
    return "npy", folder


def as_hub_parquet(folder):
    frame = pd.DataFrame({"image": [png(one) for one in IMAGES], "label": CLASSES})
    frame[:100].to_parquet(folder / "train-00000-of-00002.parquet")
    frame[100:-NUM_TEST].to_parquet(folder / "train-00001-of-00002.parquet")
    frame[-NUM_TEST:].to_parquet(folder / "test-00000-of-00001.parquet")
    return "parquet", folder


def hugging_face(labels=CLASSES):
    images = [PIL.Image.fromarray(one) for one in IMAGES]
    return datasets.Dataset.from_dict({"image": images, "label": labels})


def as_saved(folder):
    hugging_face().save_to_disk(folder / "saved")
    return "huggingface", folder / "saved"


def as_saved_splits(folder):
    whole = hugging_face([f"digit {one}" for one in CLASSES])
    splits = {"train": whole.select(range(len(whole) - NUM_TEST)), "validation": whole.select(range(270, 300))}
    datasets.DatasetDict(splits).save_to_disk(folder / "saved")
    return "huggingface", folder / "saved"


IMAGE_FORMATS = [as_npz, as_npz_of_splits, as_npy, as_hub_parquet, as_saved, as_saved_splits]


@pytest.mark.parametrize("write", IMAGE_FORMATS)
def test_all_formats_of_images_give_the_same_data(tmp_path, write):
    name, path = write(tmp_path)
    found = load_dataset(name, str(path))
    assert found.num_classes == 10 and len(found.test[1]) == NUM_TEST and found.train[1].dtype == np.int32
    joined = [np.concatenate(both) for both in zip(found.train, found.test, strict=True)]
    expected = IMAGES[..., None].astype(np.float32) / 255
    if "splits" in write.__name__ or name == "parquet":
        np.testing.assert_array_equal(joined[0], expected)
        np.testing.assert_array_equal(joined[1], CLASSES)
    else:  # another tenth is for testing
        order = np.lexsort(joined[0].reshape(300, -1).T)
        same = np.lexsort(expected.reshape(300, -1).T)
        np.testing.assert_array_equal(joined[0][order], expected[same])
        np.testing.assert_array_equal(joined[1][order], CLASSES[same])


@pytest.mark.parametrize("write", [as_npy, as_saved, as_saved_splits])
@pytest.mark.parametrize("options", [{}, {"num_train": 50, "num_test": 10, "seed": 3}, {"image_size": 5}])
def test_a_set_that_stays_in_its_files_has_the_same_bits(tmp_path, write, options):
    name, path = write(tmp_path)
    held, left = (load_dataset(name, str(path), stream=stream, **options) for stream in (False, True))
    assert held.stream is None and left.num_train == held.num_train == len(held.train[1])
    for one, other in zip(left.stream.take(np.arange(left.num_train)), held.train, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(left.stream.take(np.array([7, 3]))[0], held.train[0][[7, 3]])
    np.testing.assert_array_equal(left.test[0], held.test[0])
    assert left.origin["sha256"] == held.origin["sha256"]


def csv(folder, frame, name="a.csv", **options):
    frame.to_csv(folder / name, **options)
    return load_dataset("csv", str(folder / name))


def test_tables_of_numbers_have_inputs_and_classes_by_name(tmp_path):
    frame = pd.DataFrame({"width": np.arange(40.0), "label": ["cat", "dog"] * 20, "heavy": [True, False] * 20})
    found = csv(tmp_path, frame)  # with pandas' numbers of rows
    assert found.train[0].shape == (36, 2) and found.test[0].shape == (4, 2) and found.num_classes == 2
    assert found.origin["labels"] == ["cat", "dog"]
    np.testing.assert_array_equal(found.train[0][:, 1] == 1, found.train[1] == 0)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame.to_parquet(tmp_path / "a.parquet")
    for name, file in (("csv", "a.csv.gz"), ("parquet", "a.parquet")):
        same = load_dataset(name, str(tmp_path / file))
        np.testing.assert_array_equal(same.train[0], found.train[0])


def test_the_column_of_labels_can_be_named_and_a_column_may_give_the_split(tmp_path):
    frame = pd.DataFrame({"size": np.arange(10.0), "price": np.arange(10.0) ** 2, "split": ["train", "test"] * 5})
    frame.to_parquet(tmp_path / "a.parquet")
    found = load_dataset("parquet", str(tmp_path / "a.parquet"), label="price")
    np.testing.assert_array_equal(found.train[0], np.arange(0.0, 10, 2)[:, None])
    np.testing.assert_array_equal(found.test[1], np.arange(1.0, 10, 2)[:, None] ** 2)
    assert found.num_classes == 1 and found.train[1].dtype == np.float32


@pytest.mark.parametrize("dtype", [int, bool, np.float32])
def test_one_hot_labels_are_classes(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", inputs=np.arange(40)[:, None], labels=np.eye(4)[np.arange(40) % 4].astype(dtype))
    found = load_dataset("npz", str(tmp_path / "a.npz"))
    assert found.num_classes == 4 and found.num_tokens is None
    np.testing.assert_array_equal(found.train[1], found.train[0][:, 0] % 4)


def test_splits_of_a_folder_have_the_same_columns(tmp_path):
    for split, name in (("train", "a"), ("test", "b")):
        pd.DataFrame({name: [1.0, 2.0], "label": [0, 1]}).to_csv(tmp_path / f"{split}.csv", index=False)
    with pytest.raises(pathjax.InputError, match="has the column a, b in one split only: give both the same columns"):
        load_dataset("csv", str(tmp_path))


def test_texts_arrays_and_tokens(tmp_path):
    texts = csv(tmp_path, pd.DataFrame({"text": ["good day", "bad"] * 20, "label": ["up", "down"] * 20}), index=False)
    assert texts.num_tokens is not None and texts.train[0].dtype == np.int32
    vectors = pd.DataFrame({"embedding": [[0.5 * i, 1.0] for i in range(20)], "y": np.arange(20) % 2})
    vectors.to_parquet(tmp_path / "a.parquet")
    assert load_dataset("parquet", str(tmp_path / "a.parquet")).train[0].shape == (18, 2)
    tokens = np.random.default_rng(0).integers(0, 50, (20, 9))
    np.savez(tmp_path / "a.npz", inputs=tokens[:, :-1], labels=tokens[:, 1:])
    found = load_dataset("npz", str(tmp_path / "a.npz"))
    assert found.num_tokens == found.num_classes == tokens.max() + 1 and found.train[1].shape == (18, 8)


def write(folder, name, data):
    path = folder / name
    if isinstance(data, bytes | str):
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    elif isinstance(data, dict):
        np.savez(path, **data)
    else:
        data(path)
    return str(path)


def declaring(shape):
    """An archive with an array whose header declares more than there is."""

    def archive(path):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("inputs.npy", header.getvalue() + bytes(100))
            file.writestr("labels.npy", header.getvalue() + bytes(100))

    return archive


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("inputs.npy", bytes(10**8))


def repeated(path):
    pd.DataFrame({"x": np.zeros(10**7), "label": np.zeros(10**7, int)}).to_parquet(path)


def dictionary_of_long_texts(path):
    texts = pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 100_000])
    pq.write_table(pa.table({"text": texts, "label": np.arange(20_000) % 2}), path)


def lists_of_zeros(path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(10**7)), 10**6)
    pq.write_table(pa.table({"x": lists, "label": np.arange(10) % 2}), path)


def image_bombs(path):
    file = io.BytesIO()
    PIL.Image.new("RGB", (6000, 6000)).save(file, "PNG")
    pd.DataFrame({"image": [{"bytes": file.getvalue(), "path": None}] * 12, "label": [0, 1] * 6}).to_parquet(path)


def table(**columns):
    return lambda path: pd.DataFrame(columns).to_parquet(path)


X, Y = np.zeros((20, 3)), np.arange(20) % 2
DATES = pd.date_range("2026-01-01", periods=20)
ONE_IMAGE = png(IMAGES[0])
FAULTS = {
    "missing": (
        "npz",
        "no.npz",
        None,
        r"no.npz cannot be read \(FileNotFoundError: .*\): give an .npz file with arrays",
    ),
    "damaged": ("npz", "a.npz", b"PK\x03\x04 no archive", r"cannot be read \(BadZipFile"),
    "names": ("npz", "a.npz", {"foo": X, "labels": Y}, r"has the arrays foo, labels: expected arrays `inputs` and"),
    "pickle": ("npz", "a.npz", {"inputs": np.array([{}] * 20), "labels": Y}, r"Object arrays cannot be loaded"),
    "declared": ("npz", "a.npz", declaring((10**12, 20)), r"'inputs.npy' of 1000000000000x20 values in 2\d\d bytes"),
    "bomb": ("npz", "a.npz", bomb, r"expands to more than 64 MiB, 100 times its size: it is damaged, or save it"),
    "counts": ("npz", "a.npz", {"inputs": X, "labels": Y[:7]}, "has 20 inputs and 7 labels: give the same number"),
    "nan": ("npz", "a.npz", {"inputs": X + np.nan, "labels": Y}, "has inputs that are NaN, infinite or too large"),
    "complex": ("npz", "a.npz", {"inputs": X + 1j, "labels": Y}, "has inputs of type complex128: expected numbers"),
    "one class": ("npz", "a.npz", {"inputs": X, "labels": 0 * Y}, r"has only one class \(0\): give at least two"),
    "ids": (
        "npz",
        "a.npz",
        {"inputs": np.zeros((200, 1)), "labels": np.arange(200)},
        "has 200 different integers as labels of 200",
    ),
    "few": ("npz", "a.npz", {"inputs": X[:3], "labels": Y[:3]}, "has 3 rows, too few to test on a tenth of them"),
    "no folder": ("npy", "a", b"0", "is not a folder: give one of .npy files, with arrays `inputs` and `labels`"),
    "no csv": ("csv", "a.csv", "", r"a.csv is empty: give a CSV file"),
    "binary csv": (
        "csv",
        "a.csv",
        bytes(range(256)) * 9,
        r"a.csv cannot be read \(.*\): give a CSV file",
    ),
    "no label": (
        "csv",
        "a.csv",
        "a,b\n1,2\n",
        r"has the columns a, b, and none is named label, labels",
    ),
    "only label": ("csv", "a.csv", "label\n1\n", "has no column but the label 'label': add columns with inputs"),
    "gap": ("csv", "a.csv", "a,label\n" + "1,0\n,1\n" * 10, "column 'a' has a value that is missing, .* in row 1"),
    "gap in labels": (
        "csv",
        "a.csv",
        "a,label\n" + "1,x\n2,\n" * 10,
        "labels of type .*: expected integers or",
    ),
    "mixed": (
        "csv",
        "a.csv",
        "a,b,label\n" + "1,x,0\n" * 9,
        "has a column 'b' of texts beside a: keep that column",
    ),
    "no rows": ("csv", "a.csv", "a,label\n", "has no rows: give at least one"),
    "splits": ("csv", "a.csv", "a,label,split\n" + "1,0,extra\n2,1,train\n" * 9, "column 'split' with other values"),
    "no parquet": ("parquet", "a.parquet", b"PAR1 not", r"a.parquet cannot be read \(ArrowInvalid"),
    "large parquet": ("parquet", "a.parquet", repeated, r"expands to more than 64 MiB, 100 times its size"),
    "texts bomb": ("parquet", "a.parquet", dictionary_of_long_texts, "expands to more than 64 MiB, 100 times"),
    "lists bomb": ("parquet", "a.parquet", lists_of_zeros, "expands to more than 64 MiB, 100 times its size"),
    "image bomb": ("parquet", "a.parquet", image_bombs, r"row 0 has an image of 6000 x 6000 in [\d,]+ bytes"),
    "dates": ("parquet", "a.parquet", table(when=DATES, label=Y), r"has values of type datetime64.*: give num"),
    "text lists": ("parquet", "a.parquet", table(x=[["a"]] * 20, label=Y), "has lists of other things than numbers"),
    "no image": ("parquet", "a.parquet", table(i=[ONE_IMAGE] * 19 + [None], label=Y), "row 19 has no image, or"),
    "bad image": ("parquet", "a.parquet", table(i=[{"bytes": b"GIF"}] * 20, label=Y), "row 0 has an image that"),
    "long rows": ("csv", "a.csv", "a,b,label\n" + "1,2,3,0\n" * 9, r"a.csv cannot be read \(ParserWarning"),
    "semicolons": ("csv", "a.csv", "a;label\n1;2\n", "and none is named .*: separate columns by commas"),
    "integers": ("npz", "a.npz", {"inputs": np.zeros((40, 1)), "labels": np.arange(40)}, "has 40 different"),
    "text rows": ("npz", "a.npz", {"inputs": np.full((20, 2), "a"), "labels": Y}, "expected one text a row"),
    "bytes": ("npz", "a.npz", {"inputs": np.full(20, b"a"), "labels": Y}, r"inputs of type \|S1: expected numbers or"),
    "tokens": ("npz", "a.npz", {"inputs": np.ones((20, 5), int), "labels": np.ones((20, 4), int)}, "as many of both"),
    "splits differ": (
        "npz",
        "a.npz",
        {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
        r"has inputs of shape \(3,\) for training and \(2,\) for testing: give the same",
    ),  # fmt: skip
    "no saved": ("huggingface", "a", b"0", "is not a folder: give one that save_to_disk of Hugging Face's datasets"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(tmp_path, fault):
    name, file, data, message = FAULTS[fault]
    path = str(tmp_path / file) if data is None else write(tmp_path, file, data)
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_dataset(name, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("npy", {"standardize": True}, "standardize needs the whole training set, and stream leaves it in its files"),
        ("npy", {"balanced": True}, "balanced needs the whole training set, and stream leaves it in its files"),
        ("npy", {"label_noise": 0.1}, "label_noise needs the whole training set, and stream leaves it in its files"),
        ("npz", {}, "'npz' is read as a whole: leave stream False, or save as npy or huggingface"),
        ("digits", {}, "data set 'digits' is read as a whole: leave stream False, or save it as .npy files"),
    ],
)
def test_options_that_need_all_examples_are_refused_for_files(tmp_path, name, options, message):
    as_npy(tmp_path)
    with pytest.raises(pathjax.InputError, match=message):
        load_dataset(name, None if name == "digits" else str(tmp_path), stream=True, **options)


def test_a_file_without_data_dir_is_refused():
    for name in ("npz", "npy", "csv", "parquet", "huggingface"):
        with pytest.raises(pathjax.InputError, match=f"'{name}' is read from a file: give its path as data_dir"):
            load_dataset(name)
