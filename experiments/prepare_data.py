"""Download and prepare an image set once, in the format that needs no TensorFlow to read.

pip install 'pathjax[prepare]' && python -m experiments.prepare_data --dataset=mnist --data_dir=DIR
"""

from absl import app, flags

from experiments.command_line import one_line_errors
from pathjax.data import DATASETS
from pathjax.errors import InputError

DATASET = flags.DEFINE_enum("dataset", None, [name for name in DATASETS if name != "digits"], "What to prepare.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where to; None: ~/tensorflow_datasets.")


def prepare(name: str, data_dir: str | None) -> None:
    """Prepare a set as array_record files."""
    import tensorflow_datasets as tfds

    try:
        tfds.builder(name, data_dir=data_dir, file_format="array_record").download_and_prepare()
    except ImportError as error:
        raise InputError(f"preparing images needs TensorFlow: pip install 'pathjax[prepare]' ({error})") from error


def main(_) -> None:
    with one_line_errors():
        prepare(str(DATASET.value), DATA_DIR.value)


if __name__ == "__main__":
    flags.mark_flag_as_required("dataset")
    app.run(main)
