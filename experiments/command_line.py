"""Errors for people: one line, exit status 2, no traceback."""

import contextlib
import difflib
import re
import runpy
import sys
from collections.abc import Iterable, Sequence

from experiments.preemption import Preempted
from pathjax.errors import InputError

USAGE_ERROR = 2


def parse_flags(flag_values, args: Sequence[str], required: Iterable[str]) -> list[str]:
    """Parse the command line; a mistake in it ends the program with one line that says how to mend it."""
    try:
        rest = flag_values(args)
        for name in required:
            value = flag_values[name].value
            if value is not None and not isinstance(value, str):
                value.to_dict()  # a config file that could not be loaded says so only when it is used
    # ml_collections raises many types for a key or value that does not fit the config, or a file that is none.
    except Exception as error:
        _exit(_unknown_key(args) or _explain(error))
    if len(rest) > 1:
        _exit(f"'{rest[1]}' is no flag: settings are given as --config.key=value")
    for name in required:
        if flag_values[name].value is None:
            _exit(
                f"--{name} is missing: python -m experiments.main --config=configs/digits.py --workdir=results/digits"
            )
    return rest


def _unknown_key(args: Sequence[str]) -> str | None:
    """What to say of the first override that names no setting, if there is one: the nearest that exists."""
    known = _known_keys(args)
    for arg in args if known else ():
        key = re.match(r"--?config\.([\w.]+)", arg)
        if key and key[1] not in known:
            nearest = difflib.get_close_matches(key[1], known, n=1, cutoff=0) or known
            return f"unknown setting --config.{key[1]}: the nearest is --config.{nearest[0]}"
    return None


def _known_keys(args: Sequence[str]) -> list[str]:
    path = re.search(r"--?config[= ](\S+)", " ".join(args))
    try:
        config = runpy.run_path(path[1] if path else "")["get_config"]()
    except Exception:  # the file itself is at fault, and parsing has said how
        return []
    return [*_dotted(config.to_dict()), *config.keys()]


def _dotted(tree: dict, prefix: str = "") -> list[str]:
    nested = [
        _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key] for key, value in tree.items()
    ]
    return [key for keys in nested for key in keys]


def _explain(error: Exception) -> str:
    text = str(error)
    group = re.match(r"flag --(config\.[\w.]+)=.*Failed to parse .* as a ConfigDict", text, flags=re.DOTALL)
    if group:
        return f"--{group[1]} is a group of settings: set one of them, as in --{group[1]}.KEY=value"
    bad_number = re.match(r"flag --(config\.[\w.]+)=(.*?): (invalid literal for int|could not convert)", text)
    if bad_number:
        kind = "a whole number" if "int" in bad_number[3] else "a number"
        return f"--{bad_number[1]}={bad_number[2]} does not fit: expected {kind}"
    return text or type(error).__name__


@contextlib.contextmanager
def one_line_errors():
    """Print an InputError as one line and exit with status 2; Ctrl-C says how to go on."""
    try:
        yield
    except InputError as error:
        _exit(str(error))
    except OSError as error:  # a full disk, a folder without permission: theirs to mend, and nothing was half-written
        _exit(f"the system refused ({error}): free the space, mend the permission, or choose another --workdir")
    except Preempted as end:
        print(f"\nasked to end: saved at step {end.args[0]}; go on with the same command and --resume", file=sys.stderr)
        sys.exit(0)
    except KeyboardInterrupt:
        print("\ninterrupted: go on with the same command and --resume", file=sys.stderr)
        sys.exit(130)


def _exit(message: str):
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR)
