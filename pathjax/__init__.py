"""pathjax: how much do trained models depend on the path that training takes?

The pure core, without heavy dependencies. Import these subpackages by name: pathjax.models (flax), pathjax.data
(scikit-learn, tensorflow-datasets), pathjax.io (xarray, Orbax), pathjax.plots and pathjax.reporting (matplotlib), and
pathjax.experiments (all of them).
"""

from typing import TYPE_CHECKING, Any

from pathjax import curvature, derivatives, interventions, lyapunov, observables, symmetry
from pathjax.core.errors import InputError
from pathjax.core.sources import Source
from pathjax.core.types import (
    Batch,
    Dynamics,
    Ensemble,
    InterventionState,
    Members,
    Network,
    Observable,
    Recorded,
    Snapshot,
    State,
    StepInfo,
    Transition,
    Variable,
)
from pathjax.derivatives import Sensitivity, sensitivity
from pathjax.engine.layout import Layout, member_mesh
from pathjax.engine.loop_types import LoopState
from pathjax.engine.options import RolloutOptions
from pathjax.engine.rollout import Chunk, Rollout, rollout, rollout_chunks
from pathjax.ensemble.arms import with_arms
from pathjax.ensemble.build import perturbed_ensemble, stack_ensembles, sweep
from pathjax.ensemble.fork import fork
from pathjax.ensemble.independent import independent_ensemble
from pathjax.ensemble.intervened import InterventionGrid, intervened_ensemble, with_interventions
from pathjax.ensemble.labels import with_labels
from pathjax.ensemble.noise import with_noise
from pathjax.ensemble.orders import with_orders
from pathjax.ensemble.schedules import with_schedules
from pathjax.lyapunov import (
    LyapunovResult,
    SpectrumOptions,
    check_exponents,
    covariant_vectors,
    entropy_bound,
    finite_size_exponents,
    finite_time_exponents,
    function_space_spectrum,
    kaplan_yorke_dimension,
    lyapunov_exponent,
    lyapunov_spectrum,
    pairing_defect,
)
from pathjax.perturbations import Perturbation, gaussian, on_sphere, perturbation_directions
from pathjax.training.dynamics import map_dynamics, training_dynamics
from pathjax.training.loss import Loss
from pathjax.training.schedule import Schedule, batch_schedule, scheduled_step
from pathjax.training.several_schedules import fork_schedule, full_batch_schedule, stack_schedules

if TYPE_CHECKING:
    from pathjax.io.to_xarray import to_dataset
    from pathjax.reporting.rollout_report import report

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports what needs heavier libraries when it is first asked for."""
    if name == "to_dataset":
        from pathjax.io.to_xarray import to_dataset

        return to_dataset
    if name == "report":
        from pathjax.reporting.rollout_report import report

        return report
    raise AttributeError(f"module 'pathjax' has no attribute {name!r}")


__all__ = [
    "Batch",
    "Chunk",
    "Dynamics",
    "Ensemble",
    "InputError",
    "InterventionGrid",
    "InterventionState",
    "Layout",
    "LoopState",
    "Loss",
    "LyapunovResult",
    "Members",
    "Network",
    "Observable",
    "Perturbation",
    "Recorded",
    "Rollout",
    "RolloutOptions",
    "Schedule",
    "Sensitivity",
    "Snapshot",
    "Source",
    "SpectrumOptions",
    "State",
    "StepInfo",
    "Transition",
    "Variable",
    "batch_schedule",
    "check_exponents",
    "covariant_vectors",
    "curvature",
    "derivatives",
    "entropy_bound",
    "finite_size_exponents",
    "finite_time_exponents",
    "fork",
    "fork_schedule",
    "full_batch_schedule",
    "function_space_spectrum",
    "gaussian",
    "independent_ensemble",
    "intervened_ensemble",
    "interventions",
    "kaplan_yorke_dimension",
    "lyapunov",
    "lyapunov_exponent",
    "lyapunov_spectrum",
    "map_dynamics",
    "member_mesh",
    "observables",
    "on_sphere",
    "pairing_defect",
    "perturbation_directions",
    "perturbed_ensemble",
    "report",
    "rollout",
    "rollout_chunks",
    "scheduled_step",
    "sensitivity",
    "stack_ensembles",
    "stack_schedules",
    "sweep",
    "symmetry",
    "to_dataset",
    "training_dynamics",
    "with_arms",
    "with_interventions",
    "with_labels",
    "with_noise",
    "with_orders",
    "with_schedules",
]
