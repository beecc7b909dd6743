"""Measures on test dominoes what has been learned of each pattern."""

from collections.abc import Callable

from pathjax import observables as obs
from pathjax.core.errors import require

RANDOMIZED = ("m_randomized", "c_randomized")


def probe_observables(predict: Callable, probes: dict[str, tuple], every: int, max_examples: int) -> list:
    """Returns observables of the accuracy on each probe of dominoes, and of the AUC where one side is randomized.

    Args:
        predict: see `pathjax.observables.classification`.
        probes: of `pathjax.data.dominoes.DominoSet`.
        every: steps between records.
        max_examples: largest number of examples of each probe.

    Raises:
        InputError: if these are not the probes of dominoes.
    """
    require(set(RANDOMIZED) <= set(probes), "the data set is not made of dominoes: choose data.name=dominoes")
    some = {name: (inputs[:max_examples], _first(labels, max_examples)) for name, (inputs, labels) in probes.items()}
    randomized = {name: some.pop(name) for name in RANDOMIZED}
    return [
        obs.classification(predict, some, every=every, measures=["accuracy"]),
        obs.classification(predict, randomized, every=every, measures=["accuracy", "auc"]),
    ]


def _first(labels, num: int):
    return {name: own[:num] for name, own in labels.items()} if isinstance(labels, dict) else labels[:num]
