"""How far is far? Every distance that the field uses, side by side on one run."""

import jax
from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax import symmetry
from pathjax.core.errors import require
from pathjax.experiments.distances import report
from pathjax.experiments.distances.summary import add_families, family_lines
from pathjax.experiments.divergence import experiment as divergence
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.models.intermediates import layer_outputs
from pathjax.observables.function_space import MEASURES

BASIC = obs.function_space.DEFAULT  # what the divergence experiment records of training and test set already


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure, name = config.measure, config.model.name
    fits = name in ("mlp", "cnn")
    require(fits, f"experiment 'distances' matches the units of layers, for models mlp and cnn, and not of '{name}'")
    probe, labels = (a[: measure.max_probe_examples] for a in parts.test)
    anchors = tuple(anchor for anchor in measure.anchors if anchor <= config.num_steps)
    sets = {"probe": (probe, labels)}
    train = training_examples(config, parts)
    layers = layer_outputs(parts.model)
    names = tuple(jax.eval_shape(layers, parts.state.params, probe))
    spec = symmetry.infer_spec(parts.predict, parts.state.params, probe[:1])

    def activations(params, inputs):
        return symmetry.group_activations(spec, layers(params, inputs))

    scales = symmetry.infer_scales(parts.predict, spec, parts.state.params, probe)
    line = {"sets": sets, "num_points": measure.num_points}
    others = tuple(name for name in MEASURES if name not in BASIC)
    return [
        *divergence.observables(config, parts),
        *(obs.norm_distance(p, measure.distance_every) for p in sorted({measure.norm, float("inf")})),
        obs.weight_angle(measure.distance_every),
        obs.balanced_distance(scales, parts.predict, probe, measure.slow_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.function_every, others),
        obs.classification(parts.predict, sets, measure.function_every, tuple(MEASURES)),
        obs.function_autocorrelation(parts.predict, probe, anchors, measure.correlation_every),
        obs.linear_cka(layers, names, probe, measure.slow_every),
        obs.linear_connectivity(parts.predict, sets, measure.slow_every, measure.num_points),
        obs.alignment(spec, parts.predict, probe, measure.slow_every, **line),
        obs.activation_alignment(spec, parts.predict, activations, probe, measure.slow_every, **line),
        obs.weight_gram(parts.num_members, measure.slow_every),
        obs.function_gram(parts.predict, probe, parts.num_members, measure.slow_every),
        obs.weight_projections(jax.random.fold_in(parts.tangent_key, 1), measure.num_projections, measure.slow_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    trajectory, summary, text = divergence.EXPERIMENT.summarize(setup, config, trajectory)
    trajectory, families = add_families(trajectory)
    return trajectory, summary | {"families": families}, f"{text}\n\n{family_lines(families)}"


EXPERIMENT = Experiment(_observables, _summarize, report.write)
