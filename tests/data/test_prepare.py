import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

import pathjax
from helpers.in_process import answer_of
from helpers.tfds_folders import write_folder
from pathjax.data import prepare


def command(*args, code):
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "required: NAME: python -m pathjax.data.prepare NAME"),
        (("minst",), "unknown data set 'minst'"),
        (("mnist", "--dir=x"), "unrecognized arguments: --dir=x"),
        (("mnist", "--manual_dir=/nowhere"), "/nowhere is not a folder"),
        (("MNIST",), "unknown data set 'MNIST'"),
        (("mnist/..",), "unknown data set 'mnist/..'"),
    ],
)
def test_errors_of_the_command_are_one_line(args, message):
    done = answer_of(lambda: prepare.main(args))
    assert done.returncode == 2 and not done.stdout
    assert message in done.stderr and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_the_help_explains_preparation_without_internet():
    done = answer_of(lambda: prepare.main(["--help"]))
    assert done.returncode == 0 and "--manual_dir" in done.stdout and "train-images-idx3-ubyte.gz" in done.stdout


def test_without_tensorflow_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(pathjax.InputError, match=r"needs TensorFlow.*pip install tensorflow-cpu"):
        prepare.prepare("mnist", str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")
def test_a_prepared_set_is_not_prepared_again(tmp_path):
    parts = {split: [(np.zeros((28, 28), np.uint8), 3)] * 2 for split in ("train", "test")}
    write_folder(tmp_path, "mnist", {k: [(PIL.Image.fromarray(a), b) for a, b in v] for k, v in parts.items()})
    done = answer_of(lambda: prepare.main(["mnist", f"--data_dir={tmp_path}"]))
    assert done.returncode == 0 and "mnist is in" in done.stdout and "train 2" in done.stdout, done.stderr


@pytest.mark.filterwarnings("ignore")
def test_a_manual_file_with_a_wrong_checksum_is_rejected(tmp_path, capfd):
    manual = tmp_path / "manual"
    manual.mkdir()
    (manual / "t10k-images-idx3-ubyte.gz").write_bytes(b"not it")
    with pytest.raises(pathjax.InputError, match="wrong checksum .Expected: .*; Got: ") as caught:
        prepare.download_and_prepare("mnist", str(tmp_path / "sets"), str(manual))
    assert "\n" not in str(caught.value)


def test_without_network_the_error_lists_the_files_to_download(tmp_path):
    code = f"""
import os
os.environ.update(dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"))
from tensorflow_datasets.core.download import downloader
downloader.MAX_RETRIES = 0  # otherwise it retries for minutes
from pathjax.data import prepare
prepare.importlib.util.find_spec = lambda name: name
prepare.main(["mnist", "--data_dir={tmp_path}"])
"""
    done = command(code=code)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and last.startswith("error: 'mnist' cannot be prepared"), done.stderr
    assert "train-images-idx3-ubyte.gz" in last and "--manual_dir" in last
