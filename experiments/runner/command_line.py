"""Command-line flags, and their errors: one line, exit status 2, no traceback."""

import ast
import contextlib
import difflib
import os
import pathlib
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from absl import app, flags
from ml_collections import ConfigDict

from pathjax import configs
from pathjax.core.errors import InputError
from pathjax.experiments.runner.preemption import Preempted
from pathjax.experiments.runner.settings.base import aliases_of

USAGE_ERROR = 2
CONFIGS = pathlib.Path(next(iter(configs.__path__)))
# Flags that ml_collections cannot parse: None, for any setting; axes of a sweep that the config does not have; and
# hyperparameters of the user's own optimizer.
_UNSET = re.compile(r"--?config\.([\w.]+)=None")
_AXIS = re.compile(r"--?config\.(sweep\.(?:continuous|static)\.\w+)=(.*)")
_HYPERPARAMETER = re.compile(r"--?config\.(optimizer\.(?!(?:name|schedule|warmup_steps)=)\w+)=(.*)")


def run_program(main: Callable, define: Callable, required: Iterable[str], example: str) -> None:
    """Parses the program's flags and calls `main(argv)`; see `parse_flags`."""
    app.run(main, flags_parser=lambda args: parse_flags(flags.FLAGS, args, define, required, example))


def parse_flags(flag_values, args: Sequence[str], define: Callable, required: Iterable[str], example: str) -> list[str]:
    """Defines and parses the program's flags, and returns the remaining arguments.

    A wrong flag exits with one line that says how to fix it; a missing required flag exits with an `example` of the
    command.
    """
    before, given = set(flag_values), _with_config_files(args)
    find_own_modules(_config_path(given))
    args, changes = _split_unparsable(given)
    try:
        define(flag_values, args)
        rest = flag_values(args)
        for name, value in changes.items():
            _change(flag_values["config"].value, name, value)
        for name in required:
            value = flag_values[name].value
            if value is not None and not isinstance(value, str):
                value.to_dict()  # a config file that could not be loaded raises only when it is used
    # ml_collections raises many types: for a wrong key, a wrong value or a file that is not a config.
    except Exception as error:
        _exit(_broken_file(args) or _unknown_key(given) or _explain(error, set(flag_values) - before))
    if len(rest) > 1:
        _exit(f"'{rest[1]}' is not a flag: expected {_listed(set(flag_values) - before)}, as in: {example}")
    for name in required:
        if flag_values[name].value in (None, ""):
            _exit(f"--{name} is required, as in: {example}")
    return rest


def find_own_modules(config: str | None = None) -> None:
    """Lets Python find your own modules beside a config file, as if it were a script, and in the working directory.

    Those beside the config come first: a module of the same name in the working directory is another project's.
    """
    here = str(pathlib.Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    beside = pathlib.Path(config.split(":")[0]).parent.resolve() if config else CONFIGS
    if beside != CONFIGS.resolve():
        sys.path.insert(0, str(beside))


def _split_unparsable(args: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Returns the flags that ml_collections can parse, and the settings that the other flags change."""
    kept: list[str] = []
    changes: dict[str, Any] = {}
    has_own_optimizer = any(map(_HYPERPARAMETER.fullmatch, args)) and _has_own_optimizer(args)
    for arg in args:
        if match := _UNSET.fullmatch(arg):
            changes[match[1]] = None
        elif match := _AXIS.fullmatch(arg):
            changes[match[1]] = _values(match[2])
        elif has_own_optimizer and (match := _HYPERPARAMETER.fullmatch(arg)):
            changes[match[1]] = _number(match[1], match[2])
        else:
            kept.append(arg)
    return kept, changes


def _has_own_optimizer(args: Sequence[str]) -> bool:
    """Whether flags, or the config that they name, give an optimizer as `module:function`."""
    joined = [f"{a}={b}" for a, b in zip(args, [*args[1:], ""], strict=True)]  # --flag value
    named = [re.fullmatch(r"--?config\.optimizer\.name=(.*)", arg) for arg in (*args, *joined)]
    names = [match[1] for match in named if match]
    if not names:
        path = _config_path(args)
        with contextlib.suppress(Exception):  # a file that cannot be loaded is reported where it is needed
            names = [str(_load(path).optimizer.name)] if path else []
    return bool(names) and ":" in names[-1]


def _number(setting: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        _exit(f"--config.{setting} is invalid: expected a number")


def _values(text: str) -> tuple:
    """Returns the items of a comma-separated text, with or without brackets, as numbers or words.

    >>> _values("0,1"), _values("(0.1,)"), _values("tanh,relu")
    ((0, 1), (0.1,), ('tanh', 'relu'))
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return tuple(word.strip() for word in text.split(",") if word.strip())
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _change(config: ConfigDict, name: str, value: Any) -> None:
    """Changes a setting of a config, or adds an axis or a hyperparameter. Raises KeyError for an unknown setting."""
    *groups, key = name.split(".")
    place = config
    for group in groups:
        place = place[group]
    is_new = groups[:1] == ["sweep"] or (groups == ["optimizer"] and value is not None)
    if not is_new:
        place[key]
    with place.unlocked(), place.ignore_type():
        place[key] = value


def _with_config_files(args: Sequence[str]) -> list[str]:
    """Returns the arguments, with each config name replaced by its file in `pathjax.configs`."""
    args = list(args)
    for i, arg in enumerate(args):
        flag, given, value = arg.partition("=")
        if flag in ("--config", "-config") and given:
            args[i] = f"{flag}={_config_file(value)}"
        elif arg in ("--config", "-config") and i + 1 < len(args):
            args[i + 1] = _config_file(args[i + 1])
    return args


def _config_file(value: str) -> str:
    """Returns the file of a config's name (optionally `name:argument`); a path is returned unchanged."""
    name, *argument = value.split(":", 1)
    is_name = name in _config_names() and not pathlib.Path(name).is_file()
    return ":".join([str(CONFIGS / f"{name}.py"), *argument]) if is_name else value


def _config_names() -> list[str]:
    return sorted(path.stem for path in CONFIGS.glob("[a-z]*.py"))


def described_configs() -> dict[str, str]:
    """Returns the first line of each config's docstring, by name."""
    texts = {name: ast.get_docstring(ast.parse((CONFIGS / f"{name}.py").read_text())) for name in _config_names()}
    return {name: (text or "").partition("\n")[0] for name, text in texts.items()}


def config_of(args: Sequence[str]) -> ConfigDict:
    """Returns the config that the flags name, as its file has it. Raises whatever the file does, if it cannot be
    loaded."""
    path = _config_path(_with_config_files(args))
    return _load(str(path))


def _listed(names: Iterable[str]) -> str:
    """Lists the program's own flags; all overrides of the config are listed as one."""
    own = sorted(f"--{name}" for name in names if not name.startswith("config."))
    return ", ".join([*own, "--config.key=value"] if "--config" in own else own)


def _broken_file(args: Sequence[str]) -> str | None:
    """Returns the error message for the config file, or None if the file is valid."""
    path = _config_path(args)
    try:
        config = _load(path) if path is not None else None
    except Exception as error:  # whatever the code in it raises
        text = f"--config={path} cannot be loaded ({type(error).__name__}: {error})"
        return f"{text}: expected a Python file with get_config(), or one of {', '.join(_config_names())}"
    if config is None or isinstance(config, ConfigDict):
        return None
    return f"get_config() in --config={path} returns a {type(config).__name__}: expected a ConfigDict"


def _config_path(args: Sequence[str]) -> str | None:
    for arg, following in zip(args, [*args[1:], ""], strict=True):
        flag, given, value = arg.partition("=")
        if flag in ("--config", "-config"):
            return value if given else following
    return None


def _load(path: str):
    """Returns the config of a config file; the path may end with `:argument`."""
    file, *argument = path.split(":", 1)
    return runpy.run_path(file)["get_config"](*argument)


def _unknown_key(args: Sequence[str]) -> str | None:
    """Returns the error message for the first override of an unknown setting, with the nearest known one, or None."""
    path = _config_path(args)
    if path is None:
        return None
    config = _load(path)
    known = [*_dotted(config.to_dict()), *config.keys()]
    for arg in args:
        key = re.match(r"--?config\.([^=]*)", arg)
        if key and re.sub(r"\[-?\d+\]", "", key[1]) not in known:  # items of tuples have an index
            if _AXIS.fullmatch(arg):
                if "sweep" in known:
                    continue
                return f"unknown setting --config.{key[1]}: this config has no sweep; begin with --config=sweep"
            same_name = [name for name in known if name.split(".")[-1] == key[1].split(".")[-1]]
            nearest = same_name or _meant(config, key[1], known) or difflib.get_close_matches(key[1], known, 1, 0)
            return f"unknown setting --config.{key[1]}: the nearest is --config.{[*nearest, *known][0]}"
    return None


def _meant(config: ConfigDict, key: str, known: Sequence[str]) -> list[str]:
    """Returns the settings that have this alias, those of the same group first."""
    from pathjax.experiments import registry  # imports JAX, which correct flags need not wait for

    try:
        settings = registry.load_experiment(config.get("experiment")).settings
    except InputError:
        return []
    group, _, name = key.rpartition(".")
    found = [other for other in aliases_of(settings).get(name, []) if other in known]
    return sorted(found, key=lambda other: other.rpartition(".")[0] != group)


def _dotted(tree: dict, prefix: str = "") -> list[str]:
    nested = [
        _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key] for key, value in tree.items()
    ]
    return [key for keys in nested for key in keys]


# Error texts of absl and ml_collections for a value that they cannot parse, and the expected value.
EXPECTED = {
    r"invalid literal for int": "an integer",
    r"could not convert": "a number",
    r"\('Non-boolean": "true or false",
    r"Error while parsing string": "comma-separated items, as in 1,2",
}


def _explain(error: Exception, names: Iterable[str]) -> str:
    text = str(error)
    if isinstance(error, flags.UnrecognizedFlagError):
        return f"unknown flag --{error.flagname}: expected {_listed(names)}"
    if isinstance(error, IndexError):
        return f"a setting has no such item ({text}): give all its items, as in --config.model.widths=16,16"
    group = re.match(r"flag --(config\.[\w.]+)=.*Failed to parse .* as a ConfigDict", text, flags=re.DOTALL)
    if group:
        return f"--{group[1]} is a group of settings: set one of them, as in --{group[1]}.KEY=value"
    undone = re.match(r"Flag (--\S+) is provided after (--\S+) and", text)
    if undone:
        return f"{undone[1]} is a group of settings and would undo {undone[2]}: set one of them at a time"
    flagfile = re.search(r"Unable to open flagfile: (.*)", text)
    if flagfile:
        return f"--flagfile cannot be read ({flagfile[1]}): give a file with one flag per line"
    for said, kind in EXPECTED.items():
        value = re.match(rf"flag (--.*?): {said}", text, flags=re.DOTALL)
        if value:
            return f"{value[1]} is invalid: expected {kind}"
    return text or type(error).__name__


def make_folder(folder: pathlib.Path) -> None:
    """Creates a folder. Raises InputError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be created ({error}): choose another --workdir") from error


@contextlib.contextmanager
def one_line_errors(to_resume: str = "the same command"):
    """Prints an InputError as one line and exits with status 2; Ctrl-C says what resumes the program."""
    try:
        yield
    except InputError as error:
        _exit(str(error))
    except BrokenPipeError:  # whoever reads the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk or a missing permission: no file is half-written
        mend = f"free space or fix permissions, then give {to_resume}; or choose another --workdir"
        _exit(f"the system raised an error ({error}): {mend}")
    except Preempted as end:
        print(f"\nstopped: saved at step {end.args[0]}; resume with {to_resume}", file=sys.stderr)
        sys.exit(0)
    except KeyboardInterrupt:
        print(f"\ninterrupted: resume with {to_resume}", file=sys.stderr)
        sys.exit(130)


def _exit(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR)
