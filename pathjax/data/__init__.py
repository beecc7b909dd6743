"""Data sets as arrays in memory, and sources of examples that stay in files."""

from pathjax.data.datasets import load_dataset
from pathjax.data.registry import DATASETS
from pathjax.data.sources import ArraySource, RowSource
from pathjax.data.types import Dataset, Options

__all__ = ["DATASETS", "ArraySource", "Dataset", "Options", "RowSource", "load_dataset"]
