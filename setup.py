"""Metadata and dependencies; tool settings are in pyproject.toml. The lower bounds are tested."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "pathjax" / "__init__.py").read_text())[1]

# experiments/ and configs/ are next to the library in a clone, and are installed inside it.
PACKAGE_DIR = {"pathjax": "pathjax", "pathjax.experiments": "experiments", "pathjax.configs": "configs"}
PACKAGES = find_packages(include=["pathjax", "pathjax.*"]) + [
    f"pathjax.{name}" for name in find_packages(include=["experiments", "experiments.*", "configs"])
]

setup(
    name="pathjax",
    version=VERSION,
    description="How much does a trained model depend on the path that training takes?",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The pathjax authors",
    license_expression="Apache-2.0",  # PEP 639: without a License classifier
    license_files=["LICENSE"],
    keywords=[
        "jax",
        "deep learning",
        "training dynamics",
        "dynamical systems",
        "lyapunov exponents",
        "sensitivity analysis",
        "chaos",
        "reproducibility",
    ],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    package_dir=PACKAGE_DIR,
    packages=PACKAGES,
    entry_points={"console_scripts": ["pathjax = pathjax.experiments.console:main"]},
    package_data={"pathjax": ["py.typed"], "pathjax.reporting": ["page.html"]},
    install_requires=[
        # the core, for `import pathjax`
        "jax>=0.10.2",
        "jaxtyping>=0.3.9",
        "numpy>=2.0",
        "optax>=0.2.8",
        "scipy>=1.14",  # quantiles in standard errors; jax needs it too
        # models and data
        "flax>=0.12.8",
        "scikit-learn>=1.7",  # the embedded digits
        "tensorflow-datasets>=4.9.10",
        "importlib_resources>=6.0",  # used by tensorflow-datasets, which does not declare it
        "pillow>=11.0",  # same reason
        "pandas>=2.2",  # CSV and Parquet files; xarray needs it too
        "pyarrow>=18.0",  # Parquet; tensorflow-datasets needs it too
        # the run folder, figures, experiments
        "absl-py>=2.3.1",
        "h5netcdf>=1.7",  # with h5py, for xarray's netCDF
        "h5py>=3.14",
        "matplotlib>=3.10",
        "ml-collections>=1.1.0",
        "orbax-checkpoint>=0.12.8",
        "pydantic>=2.11",  # settings
        "tqdm>=4.67",
        "xarray>=2026.2",
    ],
    extras_require={
        "test": [
            "beartype>=0.22",
            "chex>=0.1.92",
            "datasets>=4.0",
            "equinox>=0.13",
            "grain>=0.2.12",
            "hypothesis>=6.140",
            "lyapax>=0.3",  # an independent library, for comparison of spectra
            "mypy>=1.18.1",
            "pytest>=9.0",
            "pytest-xdist>=3.8",
            "ruff>=0.14",
            "tensorboard>=2.20",  # reads what tensorboardX writes
            "tensorboardX>=2.6",
        ],
        "bench": ["torch>=2.10"],
        "huggingface": ["datasets>=4.0"],  # data sets that its save_to_disk wrote
        "tensorboard": ["tensorboardX>=2.6"],
        "cuda": ["jax[cuda13]>=0.10.2"],
        "tpu": ["jax[tpu]>=0.10.2"],
        "prepare": ["tensorflow-cpu>=2.20"],  # only to prepare data sets that are not yet on disk
    },
)
