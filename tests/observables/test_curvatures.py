"""Curvature along a run, against dense Hessians of the final weights and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import pathjax
from helpers import batch_norm
from pathjax import observables as obs
from pathjax.core.errors import InputError
from pathjax.curvature import adam_preconditioner
from pathjax.data import load_dataset
from pathjax.training.schedule import take_batch

KEY = jax.random.key(0)
SEARCH = obs.Search(num_eigenvalues=3, num_probes=8)
STEPS, EVERY = 60, 20


@functools.cache
def digits():
    inputs, labels = load_dataset("digits", num_train=128).train
    return jnp.asarray(inputs).reshape(128, -1), jnp.asarray(labels)


def losses(params, examples):
    hidden = jnp.tanh(examples[0] @ params["w"] + params["b"][None])
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["v"], examples[1])


@functools.cache
def run(optimizer):
    """A run that records everything, its dynamics and schedule."""
    build = {"sgd": lambda h: optax.sgd(h["rate"], 0.9), "adam": lambda h: optax.adam(0.1 * h["rate"])}[optimizer]
    dynamics = pathjax.training_dynamics(losses, build)
    keys = jax.random.split(KEY)
    params = {"w": jax.random.normal(keys[0], (64, 6)) / 8, "b": jnp.zeros(6), "v": jax.random.normal(keys[1], (6, 10))}
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": {"rate": 0.05}}
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, params, pathjax.on_sphere(), **made)
    schedule = pathjax.batch_schedule(KEY, 128, 32, num_steps=STEPS)
    sets = {"train": digits(), "batch": obs.NextBatch(digits(), schedule)}
    options = {"every": EVERY, "search": SEARCH, "align": obs.Align(gradient=True, displacement=True, update=dynamics)}
    options["preconditioner"] = adam_preconditioner() if optimizer == "adam" else None
    measures = [
        obs.curvature(KEY, losses, sets, **options),
        obs.gradient_noise(KEY, losses, {"train": digits()}, every=EVERY, search=SEARCH),
    ]
    return pathjax.rollout(dynamics, ensemble, digits(), schedule, measures), dynamics, schedule


def final(result, member):
    return jax.tree.map(lambda leaf: leaf[member], result.ensemble.state)


def flat(tree):
    return np.asarray(ravel_pytree(tree)[0], np.float64)


def dense(state, examples):
    """The Hessian and the gradient of the mean loss."""
    start, unravel = ravel_pytree(state.params)
    mean = lambda w: losses(unravel(w), examples).mean()  # noqa: E731
    hessian = np.asarray(jax.jit(jax.hessian(mean))(start), np.float64)
    return hessian, np.asarray(jax.grad(mean)(start), np.float64)


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [pytest.param("train", marks=pytest.mark.slow), "batch"])
def test_the_last_reading_is_that_of_the_dense_hessian(optimizer, name):
    result, dynamics, schedule = run(optimizer)
    member = 3  # the perturbed one
    state, baseline = final(result, member), final(result, 0)
    row = (schedule.indices[-1], None)  # after the last step, the last batch is read again
    batch = take_batch(digits(), schedule.key, state, row)
    if name == "train":
        batch = batch._replace(examples=digits())
    hessian, gradient = dense(state, batch.examples)
    root = np.sqrt(flat(adam_preconditioner()(state))) if optimizer == "adam" else np.ones(len(gradient))
    values, vectors = np.linalg.eigh(hessian / np.outer(root, root))
    values, vectors = values[::-1][:3], vectors.T[::-1][:3]
    update = flat(dynamics.step(state, batch)[0].params) - flat(state.params)
    given = {
        "gradient": gradient / root,
        "displacement": (flat(state.params) - flat(baseline.params)) * root,
        "update": update * root,
    }
    last = {key: np.asarray(value)[-1, member] for key, value in result.records.items() if key.startswith(name)}
    np.testing.assert_allclose(last[f"{name}_curvature"], values, rtol=1e-3)
    assert (last[f"{name}_curvature_residual"] < 0.02 * values[0]).all()
    trace, error = last[f"{name}_curvature_trace"], last[f"{name}_curvature_trace_error"]
    assert abs(trace - (np.diag(hessian) / root**2).sum()) < 4 * error
    for what, vector in given.items():
        expected = (vectors @ vector) ** 2 / (vector @ vector)
        np.testing.assert_allclose(last[f"{name}_{what}_alignment"], expected, atol=0.02, err_msg=what)


def test_the_noise_of_gradients_is_that_of_single_examples():
    result, *_ = run("sgd")
    state = final(result, 3)
    one = jax.vmap(jax.grad(lambda w, x, y: losses(w, (x[None], y[None]))[0]), (None, 0, 0))
    gradients = np.asarray(jax.vmap(lambda g: ravel_pytree(g)[0])(one(state.params, *digits())), np.float64)
    values = np.linalg.svd(gradients - gradients.mean(0), compute_uv=False) ** 2 / len(gradients)
    np.testing.assert_allclose(result.records["train_noise"][-1, 3], values[:3], rtol=1e-3)
    trace, error = (result.records[f"train_noise_{what}"][-1, 3] for what in ("trace", "trace_error"))
    assert abs(trace - values.sum()) < 4 * error


def test_warm_searches_take_few_products_and_replicas_have_the_same_bits():
    records = run("sgd")[0].records
    assert records["train_curvature_products"][1:].max() <= 25
    for name in ("train_curvature", "batch_curvature", "train_noise"):
        np.testing.assert_array_equal(records[name][:, 0], records[name][:, 1])
    assert (records["train_displacement_alignment"][:, :2] == 0).all()


def quadratic(rate, momentum=None):
    """Gradient descent on 1/2 sum h w^2, with its curvatures h."""
    steep = jnp.r_[10.0, jnp.linspace(4, 1, 29)]
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(steep * w**2), optax.sgd(rate, momentum))
    return dynamics, steep


def test_unstable_directions_align_with_the_leading_eigenvector():
    dynamics, steep = quadratic(0.205)  # |1 - rate h| is above 1 for the largest curvature alone
    made = {"epsilons": [0.1], "num_seeds": 1}
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(30), pathjax.on_sphere(), **made)
    schedule = pathjax.full_batch_schedule(2, 200)
    bowl = lambda w, x: 0.5 * jnp.sum(steep * w**2)  # noqa: E731
    tangents = obs.lyapunov(KEY, dynamics, 2, every=50)
    measures = [
        obs.curvature(KEY, bowl, {"all": jnp.zeros(2)}, every=50, align=obs.Align(displacement=True)),
        obs.curvature(KEY, bowl, {"again": jnp.zeros(2)}, every=50, align=obs.Align(tangents=tangents)),
    ]
    records = pathjax.rollout(dynamics, ensemble, jnp.zeros(2), schedule, measures).records
    np.testing.assert_allclose(records["all_curvature"][:, :, 0], 10, rtol=1e-4)
    np.testing.assert_allclose(records["again_curvature"][:, 0], 10, rtol=1e-4)
    assert records["all_displacement_alignment"][-1, 3, 0] > 0.999
    assert records["again_tangent_alignment"][-1, 0, 0] > 0.999 and records["again_tangent_alignment"][-1, 1, 0] < 1e-3
    np.testing.assert_allclose(records["log_growth"][-1, 0] / 50, np.log(1.05), rtol=1e-3)


def test_the_baseline_alone_has_the_values_of_the_first_member():
    dynamics, steep = quadratic(0.05)
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(30), pathjax.on_sphere(), epsilons=[0.1], num_seeds=1)
    loss = lambda w, x: 0.25 * jnp.sum(steep * w**4)  # noqa: E731
    measures = [
        obs.curvature(KEY, loss, {name: jnp.zeros(2)}, every=5, scope=scope)
        for name, scope in (("each", "member"), ("one", "baseline"))
    ]
    records = pathjax.rollout(dynamics, ensemble, jnp.zeros(2), pathjax.full_batch_schedule(2, 10), measures).records
    np.testing.assert_allclose(records["one_curvature"], records["each_curvature"][:, 0], rtol=1e-4)
    assert (records["each_curvature"][:, 3] != records["each_curvature"][:, 0]).all()


@pytest.mark.slow
def test_parts_of_a_set_give_the_curvature_of_the_whole():
    parts = [
        obs.curvature(KEY, losses, {name: digits()}, every=1, search=obs.Search(2, microbatch=size), scope="baseline")
        for name, size in (("whole", None), ("parts", 32))
    ]
    dynamics = pathjax.training_dynamics(losses, optax.sgd(0.1))
    ensemble = pathjax.perturbed_ensemble(
        KEY, dynamics, final(run("sgd")[0], 0).params, pathjax.on_sphere(), epsilons=[], num_seeds=1
    )
    schedule = pathjax.batch_schedule(KEY, 128, 32, num_steps=1)
    records = pathjax.rollout(dynamics, ensemble, digits(), schedule, parts).records
    np.testing.assert_allclose(records["parts_curvature"], records["whole_curvature"], rtol=1e-3)


@pytest.mark.slow
def test_models_with_a_state_and_noise_have_a_curvature():
    dynamics, network, *_ = batch_norm.model(0.5)
    ensemble = batch_norm.ensemble(dynamics, network)
    loss = pathjax.Loss(batch_norm.loss_of(0.5), model_state=True, stochastic=True, hparams_in_loss=True)
    examples = (batch_norm.INPUTS, batch_norm.LABELS)
    sets = {"batch": obs.NextBatch(examples, batch_norm.SCHEDULE)}
    measures = [obs.curvature(KEY, loss, sets, every=6), obs.gradient_noise(KEY, loss, {"train": examples}, every=6)]
    records = pathjax.rollout(dynamics, ensemble, examples, batch_norm.SCHEDULE, measures).records
    assert all(np.isfinite(value).all() for value in records.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": {}}, "no set of examples: give at least one, by name"),
        ({"scope": "ensemble"}, "scope must be 'member' or 'baseline', not 'ensemble'"),
        ({"search": obs.Search(0)}, "num_eigenvalues must be 1 or more, not 0"),
        ({"search": obs.Search(num_probes=1)}, "num_probes must be 0, or 2 or more"),
        ({"search": obs.Search(31)}, "a matrix of 30 rows has no 31 eigenvalues: ask for 30 or fewer"),
        ({"search": obs.Search(microbatch=3)}, "microbatch 3 does not divide the batch of 2 examples"),
        ({"sets": {"all": jnp.zeros((2, 3))}}, "on the set 'all': loss_fn"),
        ({"sets": {"all": jnp.zeros(0)}}, "the set 'all' has no examples"),
        ({"sets": {"all": obs.NextBatch(jnp.zeros(2), None)}}, "the set 'all' is a NextBatch without a schedule"),
        ({"sets": jnp.zeros(2)}, "sets must be a dict of examples by name"),
        ({"sets": None}, "sets must be a dict of examples by name"),
        ({"search": {"num_eigenvalues": 2}}, "search must be a pathjax.observables.Search, not dict"),
        ({"search": obs.Search(tolerance=float("nan"))}, "tolerance must be positive, not nan"),
        ({"align": ("gradient",)}, "align must be a pathjax.observables.Align, not tuple"),
        ({"align": obs.Align(update=True)}, "update must be the dynamics whose step is the update"),
        ({"align": obs.Align(tangents=True)}, "tangents must be an observable made by"),
        (
            {"preconditioner": lambda state: jnp.ones(3)},
            "the preconditioner returned shapes .3,. for weights of shapes .30,.",
        ),
        ({"align": obs.Align(tangents=obs.weight_norm(every=5))}, "align.tangents must be an observable made by"),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value),
)
def test_bad_input_is_refused_in_one_line(change, message):
    dynamics, steep = quadratic(0.1)
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(30), pathjax.on_sphere(), epsilons=[], num_seeds=1)
    given = {"sets": {"all": jnp.zeros(2)}, "every": 5} | change
    with pytest.raises(InputError, match=message) as caught:
        measure = obs.curvature(KEY, lambda w, x: 0.5 * jnp.sum(steep * w**2) + x, **given)
        pathjax.rollout(dynamics, ensemble, jnp.zeros(2), pathjax.full_batch_schedule(2, 5), [measure])
    assert "\n" not in str(caught.value)
