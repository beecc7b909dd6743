"""Data sets as arrays in memory."""

from pathjax.data.datasets import load_dataset
from pathjax.data.registry import DATASETS
from pathjax.data.types import Dataset, Options

__all__ = ["DATASETS", "Dataset", "Options", "load_dataset"]
