"""pathjax: how much do the models that we train depend on the path that training takes?

The pure core, name by name. Nothing heavy is imported with it. Import by name what needs more: pathjax.models (flax),
pathjax.data (scikit-learn, tensorflow-datasets), pathjax.results (xarray), pathjax.checkpoints (Orbax),
pathjax.plotting (matplotlib).
"""

from pathjax import observables
from pathjax.dynamics import map_dynamics, training_dynamics
from pathjax.ensemble import make_ensemble
from pathjax.errors import InputError
from pathjax.perturbations import Perturbation, directions, gaussian, on_sphere
from pathjax.rollout import Chunk, LoopState, Rollout, rollout, rollout_chunks
from pathjax.schedule import Schedule, batch_schedule
from pathjax.typing import (
    Batch,
    Dynamics,
    Ensemble,
    Members,
    Observable,
    Snapshot,
    State,
    StepInfo,
    Transition,
    Variable,
)

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Chunk",
    "Dynamics",
    "Ensemble",
    "InputError",
    "LoopState",
    "Members",
    "Observable",
    "Perturbation",
    "Rollout",
    "Schedule",
    "Snapshot",
    "State",
    "StepInfo",
    "Transition",
    "Variable",
    "batch_schedule",
    "directions",
    "gaussian",
    "make_ensemble",
    "map_dynamics",
    "observables",
    "on_sphere",
    "rollout",
    "rollout_chunks",
    "training_dynamics",
]
