"""While tests run, jaxtyping and beartype check the arguments and results of every annotated function of pathjax."""

from collections.abc import Callable

import beartype
import jaxtyping

# As for mypy, an int is a float.
checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def install() -> None:
    """Installs jaxtyping's import hook for all modules of pathjax that are imported from now on.

    Functions defined within functions are left as they are: `core.function_equality` compares functions by their code,
    and each decorator would be another variable that they read.
    """
    jaxtyped = jaxtyping.jaxtyped

    def check_outermost(**options) -> Callable:
        decorate = jaxtyped(**options)
        return lambda fn: fn if "<locals>" in fn.__qualname__ else decorate(fn)

    jaxtyping.jaxtyped = check_outermost
    jaxtyping.install_import_hook("pathjax", "helpers.type_checks.checked")
