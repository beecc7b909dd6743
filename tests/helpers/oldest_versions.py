"""The lowest versions that setup.py allows, as constraints for pip: python tests/helpers/oldest_versions.py"""

import pathlib
import re

SETUP = pathlib.Path(__file__).parents[2] / "setup.py"


def oldest_versions(text: str) -> list[str]:
    """A line for each requirement with a lowest version.

    >>> oldest_versions('"jax>=0.10.0",')
    ['jax==0.10.0']
    """
    return [f"{name}=={version}" for name, version in re.findall(r'"([\w.-]+)>=([\w.]+)"', text)]


if __name__ == "__main__":
    print("\n".join(oldest_versions(SETUP.read_text())))
