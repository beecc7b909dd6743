"""The common requirements of all observables, and closed forms for each."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, predict, schedule
from pathjax.core import trees
from pathjax.derivatives import direction, example_weight
from pathjax.engine import observe
from pathjax.engine.rollout import join_records
from pathjax.interventions import When, intervened, of_weights

obs = pathjax.observables


def gated(params, inputs, activation):
    return activation(inputs @ params["w0"]) @ params["w1"]


_cross_entropy = optax.softmax_cross_entropy_with_integer_labels


def make_all(dynamics, directions, members, examples, key, every):
    given, leading = obs.linear_response(dynamics, directions, every=every), obs.lyapunov(key, dynamics, 3, every=every)
    inputs, sets = examples[0], {"test": examples}
    spec = pathjax.symmetry.infer_spec(predict, jax.tree.map(lambda d: d[0], directions), inputs)
    hidden = lambda p, x: {"P0": x @ p["w0"] + p["b0"][None]}  # noqa: E731
    scales = pathjax.symmetry.ScaleSpec({}, {})
    first = jax.tree.map(lambda leaf: leaf[0], members.state.params)

    def attention_fn(params, x):  # two heads, two places, with attention from the network's outputs
        shares = jax.nn.softmax(predict(params, x)[:, :2], axis=-1)
        return jnp.broadcast_to(shares[None, :, None, None, :], (1, len(x), 2, 2, 2))

    losses = lambda p, batch: _cross_entropy(predict(p, batch[0]), batch[1])  # noqa: E731
    search = obs.Search(num_eigenvalues=2, num_probes=3)
    next_batch = obs.NextBatch(examples, schedule(8))
    wrt = {"along": direction(jax.tree.map(lambda d: d[0], directions)), "example": example_weight(3, 1)}
    return {
        "activation_alignment": obs.activation_alignment(
            spec, predict, hidden, inputs, every=every, sets=sets, num_points=3
        ),
        "alignment": obs.alignment(spec, predict, inputs, every=every, sets=sets, num_points=3),
        "balanced_distance": obs.balanced_distance(scales, predict, inputs, every=every),
        "batch_loss": obs.batch_loss(every=every),
        "share_tangents": obs.share_tangents(given, leading),
        "classification": obs.classification(predict, {"train": examples, "test": examples}, every=every),
        "curvature": obs.curvature(
            key,
            losses,
            {"batch": next_batch},
            every=every,
            search=search,
            align=obs.Align(gradient=True, displacement=True, update=dynamics),
        ),
        "decisions": obs.decisions(predict, inputs, every=every),
        "first_nonfinite": obs.first_nonfinite(every=every),
        "function_autocorrelation": obs.function_autocorrelation(predict, inputs, (0, 2 * every), every=every),
        "function_gram": obs.function_gram(predict, inputs, 7, every=every),
        "function_space_lyapunov": obs.function_space_lyapunov(key, dynamics, predict, examples[0], 3, every=every),
        "gradient_contrast": obs.gradient_contrast(predict, {"c": (examples, (-inputs, examples[1]))}, every=every),
        "gradient_fluctuation": obs.gradient_fluctuation(
            predict, *examples, members.members, every=every, roles=("baseline", "perturbed")
        ),
        "gradient_noise": obs.gradient_noise(key, losses, {"train": examples}, every=every, search=search),
        "induction_score": obs.induction_score(
            attention_fn, inputs, np.zeros((len(inputs), 2), int), (1, 2), every=every
        ),
        "kink_crossings": obs.kink_crossings(gated, _cross_entropy, every=every),
        "linear_cka": obs.linear_cka(lambda p, x: {"hidden": x @ p["w0"]}, ["hidden"], inputs, every=every),
        "linear_connectivity": obs.linear_connectivity(predict, sets, every=every, num_points=3),
        "linear_response": given,
        "lyapunov": leading,
        "intervention_size": obs.intervention_size("kick", every=every),
        "mean_loss": obs.mean_loss(every=every),
        "norm_distance": obs.norm_distance(1, every=every),
        "outputs": obs.outputs(predict, {"test": examples}, every=every),
        "pattern_differences": obs.pattern_differences(gated, inputs, every=every),
        "regression": obs.regression(predict, {"test": (inputs, predict(first, inputs))}, every=every),
        "sensitivity": obs.sensitivity(
            dynamics, wrt, (8, 2), every=every, readout=lambda p, x: jnp.sum(predict(p, x)), data=inputs
        ),
        "tangent_kernel": obs.tangent_kernel(predict, *examples, every=every),
        "weight_angle": obs.weight_angle(every=every),
        "weight_autocorrelation": obs.weight_autocorrelation((0, 2 * every), every=every),
        "weight_distance": obs.weight_distance(every=every),
        "weight_gram": obs.weight_gram(7, every=every),
        "weight_norm": obs.weight_norm(every=every),
        "weight_projections": obs.weight_projections(key, 4, every=every),
    }


NAMES = sorted(name for name in obs.__all__ if name.islower())
# Observables of the optimizer's state are also tested with an optimizer that counts steps.
TANGENTS = ("share_tangents", "function_space_lyapunov", "linear_response", "lyapunov", "sensitivity")
CASES = [("momentum", name) for name in NAMES] + [("adam", name) for name in TANGENTS]
SWEPT = [pytest.param(*case, marks=pytest.mark.slow if case[0] == "adam" else ()) for case in CASES]


@functools.cache
def problem(which):
    key = jax.random.key(0)
    optimizer = {"momentum": optax.sgd(0.1, momentum=0.9), "adam": optax.adam(0.01, eps_root=1e-12)}[which]
    dynamics, params, examples = network(key, optimizer=optimizer)
    directions = pathjax.perturbation_directions(key, pathjax.on_sphere(), params, 2)
    kicked = intervened(dynamics, {"kick": of_weights(pathjax.gaussian())})
    members = pathjax.with_interventions(kicked, ensemble(dynamics, params, key), {"kick": When(*np.full((3, 7), -1))})
    return dynamics, members, examples, make_all(dynamics, directions, members, examples, key, 2)


def test_the_common_suite_covers_every_observable():
    assert sorted(problem("momentum")[3]) == NAMES


def test_observables_built_from_equal_arguments_are_equal():
    first = problem("momentum")[3]
    again = problem.__wrapped__("momentum")[3]
    assert not [name for name in NAMES if first[name]._replace(data=None) != again[name]._replace(data=None)]


@pytest.mark.parametrize(("optimizer", "name"), CASES)
def test_records_match_their_declaration_and_carries_do_not_grow_with_steps(optimizer, name):
    dynamics, members, examples, observables = problem(optimizer)
    observable, records, shapes = observables[name], [], []
    for chunk in pathjax.rollout_chunks(
        dynamics, members, examples, schedule(8), [observable], options=pathjax.RolloutOptions(chunk_length=2)
    ):
        records.append(chunk.records)
        shapes.append(jax.tree.map(lambda a: (a.shape, a.dtype), chunk.loop))
    assert len(shapes) == 5 and all(shape == shapes[0] for shape in shapes)
    sizes = {dim: len(labels) for dim, labels in observable.coords} | {"leaf": 4}
    sizes |= {
        "test_example": len(examples[1]),
        "plane_point": len(examples[1]),
        "class": predict(trees.index(members.state.params, 0), examples[0]).shape[-1],
    }
    leading = (5, 7) if observable.scope == "member" else (5,)
    joined = join_records(records)
    assert set(joined) == {v.name for v in observable.variables}
    for variable in observable.variables:
        record = joined[variable.name]
        assert record.shape == (*leading, *(sizes[dim] for dim in variable.dims)), variable.name
        assert record.dtype in (np.float32, np.int32, np.int8) and variable.units and variable.long_name


@pytest.mark.parametrize(("optimizer", "name"), SWEPT)
def test_observables_can_be_jitted_and_vmapped(optimizer, name):
    dynamics, members, examples, observables = problem(optimizer)
    observable = observables[name]
    data = (observable.data,)
    program = (observable._replace(data=None),)

    def measure(state):
        carries, records = observe.start(program, state, trees.index(state, 0), data)
        batch = pathjax.Batch(jax.tree.map(lambda a: a[:4], examples), None, jax.random.key(0))
        after, info = jax.vmap(dynamics.step, in_axes=(0, None))(state, batch)
        transition = pathjax.Transition(state, after, batch, info)
        transition = transition._replace(baseline=observe.of_baseline(transition, None))
        carries = observe.update(program, carries, transition, None, data)
        now = observe.refer(program, 2, trees.index(after, 0), data)
        return records, observe.read(program, 2, after, now, carries, data)[1]

    swept = jax.jit(jax.vmap(measure))(trees.stack([members.state, members.state]))
    once = jax.jit(measure)(members.state)
    for a, b in zip(jax.tree.leaves(swept), jax.tree.leaves(once), strict=True):
        assert a.shape == (2, *b.shape)
        np.testing.assert_allclose(_settled(observable, a[0]), _settled(observable, b), rtol=1e-4, atol=1e-5)


def _settled(observable, record):
    """Drops the roundoff member: its distance is all rounding, which vmap changes."""
    record = np.asarray(record)
    if observable.scope != "member":
        return record
    return np.delete(record, 2, axis=0 if len(record) == 7 else 1)


def test_distances_on_a_quadratic_shrink_by_their_factors(x64):
    curvatures, rate = np.array([1.0, 3.0, 7.0, 9.0]), 0.1
    start = jnp.array([1.0, -2.0, 0.5, 1.5])
    leaves = pathjax.training_dynamics(
        lambda p, x: 0.5 * jnp.sum(jnp.asarray(curvatures) * jnp.concatenate([p["a"], p["b"]]) ** 2), optax.sgd(rate)
    )
    members = ensemble(leaves, {"a": start[:1], "b": start[1:]}, jax.random.key(0), perturbation=pathjax.gaussian())
    result = pathjax.rollout(leaves, members, jnp.zeros(8), schedule(10), [obs.weight_distance(), obs.weight_norm()])
    params = members.state.params
    moved = np.concatenate([params["a"], params["b"]], axis=1).astype(np.float64)
    factors = (1 - rate * curvatures) ** np.arange(11)[:, None]
    weights = moved[None] * factors[:, None]
    differences = weights - weights[:, :1]
    exact = np.linalg.norm(differences, axis=-1)
    np.testing.assert_allclose(result.records["distance"][:, 3:], exact[:, 3:], rtol=1e-9)
    np.testing.assert_allclose(result.records["leaf_distance"][:, 3:, 0], np.abs(differences[:, 3:, 0]), rtol=1e-9)
    np.testing.assert_allclose(result.records["distance_growth"][:, 3:], exact[:, 3:] / exact[:1, 3:], rtol=1e-9)
    baseline_norm = np.linalg.norm(weights[:, :1], axis=-1)
    np.testing.assert_allclose(result.records["relative_distance"][:, 3:], (exact / baseline_norm)[:, 3:], rtol=1e-9)
    np.testing.assert_allclose(result.records["weight_norm"], np.linalg.norm(weights, axis=-1), rtol=1e-9)
    assert np.isnan(result.records["distance_growth"][:, :2]).all()


def test_autocorrelation_of_an_autoregressive_process_is_its_power():
    rho, size = 0.9, 20_000

    def step(w, batch):
        return rho * w + jnp.sqrt(1 - rho**2) * jax.random.normal(batch.key, w.shape)

    dynamics = pathjax.map_dynamics(step)
    start = jax.random.normal(jax.random.key(1), (size,))
    members = ensemble(dynamics, start, jax.random.key(0), num_seeds=1)
    measure = obs.weight_autocorrelation(anchors=(0, 10), every=5)
    result = pathjax.rollout(dynamics, members, jnp.zeros(8), schedule(30), [measure]).records["autocorrelation"]
    times = np.arange(0, 31, 5)
    error = 4 / size**0.5
    np.testing.assert_allclose(result[:, 0, 0], rho**times, atol=error)
    np.testing.assert_allclose(result[2:, 0, 1], rho ** (times[2:] - 10), atol=error)
    assert np.isnan(result[:2, :, 1]).all()


@pytest.mark.parametrize("anchors", [(0, 0), (3,), (-5,), ()])
def test_invalid_anchors_raise(anchors):
    with pytest.raises(pathjax.InputError, match="anchor"):
        obs.weight_autocorrelation(anchors, every=5)


def test_classification_equals_a_plain_evaluation(key):
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(1.0,))
    many = jax.tree.map(lambda a: jnp.concatenate([a] * 40), examples)  # more than one block, with a remainder
    result = pathjax.rollout(
        dynamics, members, examples, schedule(1, 32), [obs.classification(predict, {"test": many})]
    )
    logits = np.stack([predict(trees.index(members.state.params, m), examples[0]) for m in range(5)])
    choices = logits.argmax(-1)
    np.testing.assert_allclose(
        result.records["test_accuracy"][0], (choices == np.asarray(examples[1])).mean(1), rtol=1e-5
    )
    np.testing.assert_allclose(result.records["test_agreement"][0], (choices == choices[:1]).mean(1), rtol=1e-5)
    logp = logits - jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    losses = -np.take_along_axis(logp, np.asarray(examples[1])[None, :, None], 2).mean((1, 2))
    np.testing.assert_allclose(result.records["test_loss"][0], losses, rtol=1e-5)
