"""Small rollouts by the API alone, with all kinds of members and records that figures draw."""

import functools

import jax
import jax.numpy as jnp
import optax
import xarray as xr

import pathjax
from pathjax import observables as obs
from pathjax import symmetry
from pathjax.derivatives import hyperparameter
from pathjax.models import MLP
from pathjax.models.intermediates import layer_outputs

KEY, NUM, STEPS = jax.random.key(0), 24, 24
INPUTS = jax.random.normal(jax.random.key(1), (NUM, 3))
LABELS = (INPUTS[:, 0] > 0).astype(jnp.int32)
MODEL = MLP(widths=(5,), num_classes=2)
SETS = {"train": (INPUTS, LABELS), "test": (INPUTS[:16], LABELS[:16]), "probe": (INPUTS[:8], LABELS[:8])}
PERTURBED = {"epsilons": [0.01, 0.1], "num_seeds": 3}
FEW = [obs.weight_distance(), obs.weight_norm(), obs.batch_loss()]


def predict(params, inputs):
    return MODEL.apply({"params": params}, inputs)


def loss_fn(params, examples):
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0]), examples[1])


DYNAMICS = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["learning_rate"]))


def networks(num: int):
    """Returns `num` initializations."""
    return jax.vmap(lambda key: MODEL.init(key, INPUTS[:1])["params"])(jax.random.split(KEY, num))


def first_network():
    return jax.tree.map(lambda leaf: leaf[0], networks(4))


def ensemble(**changes) -> pathjax.Ensemble:
    """Returns controls, three members for each of two epsilons, and three independent networks."""
    others = jax.tree.map(lambda leaf: leaf[1:], networks(4))
    options = {**PERTURBED, "independent": others, "hparams": {"learning_rate": 0.1}} | changes
    return pathjax.perturbed_ensemble(KEY, DYNAMICS, first_network(), pathjax.on_sphere(), **options)


def data_of(members: pathjax.Ensemble, measures: list, dynamics=DYNAMICS, num_steps: int = STEPS) -> xr.Dataset:
    """Rolls members out, and returns the labeled records."""
    schedule = pathjax.batch_schedule(KEY, NUM, 8, num_steps=num_steps)
    return pathjax.to_dataset(pathjax.rollout(dynamics, members, (INPUTS, LABELS), schedule, measures))


def everything(num_members: int) -> list:
    """Returns the observables of all figures."""
    params, probe = first_network(), INPUTS[:8]
    features = layer_outputs(MODEL)
    spec = symmetry.infer_spec(predict, params, probe[:1])
    scales = symmetry.infer_scales(predict, spec, params, probe)
    directions = pathjax.perturbation_directions(KEY, pathjax.on_sphere(), params, PERTURBED["num_seeds"])
    line = {"sets": {"probe": SETS["probe"]}, "num_points": 3, "every": 12}

    def activations(params, inputs):
        return symmetry.group_activations(spec, features(params, inputs))

    return [
        *FEW,
        obs.first_nonfinite(),
        obs.norm_distance(1.0),
        obs.weight_angle(),
        obs.weight_autocorrelation((0, 4), every=2),
        obs.function_autocorrelation(predict, probe, (0, 4), every=2),
        obs.classification(predict, SETS, every=4),
        obs.classification(predict, SETS, every=4, measures=("js_distance",)),
        obs.lyapunov(KEY, DYNAMICS, 2, every=2),
        obs.function_space_lyapunov(KEY, DYNAMICS, predict, probe, 2, every=2),
        obs.linear_response(DYNAMICS, directions, every=2),
        obs.sensitivity(DYNAMICS, {"rate": hyperparameter("learning_rate")}, (STEPS, 8), every=2),
        obs.linear_cka(features, ("Dense_0", "Dense_1"), probe, every=12),
        obs.linear_connectivity(predict, **line),
        obs.alignment(spec, predict, probe, **line),
        obs.activation_alignment(spec, predict, activations, probe, **line),
        obs.balanced_distance(scales, predict, probe, every=12),
        obs.weight_gram(num_members, every=4),
        obs.function_gram(predict, probe, num_members, every=4),
        obs.weight_projections(KEY, 16, every=4),
    ]


@functools.cache
def perturbed() -> xr.Dataset:
    """Perturbed members and independent networks, with every record."""
    members = ensemble()
    return data_of(members, everything(len(members.members.role)))
