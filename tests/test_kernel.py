"""Tangent kernels against dense Jacobians and closed forms, and what is recorded of them in training."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from toy_maps import ensemble, network, predict, schedule

import pathjax
from pathjax import kernel, trees
from pathjax.kernel import empirical_ntk, kernel_diagonal
from pathjax.observables.fluctuation import fluctuation
from pathjax.observables.kernel import centred, compare, label_gram
from pathjax.theory.ntk import one_hidden_fluctuation, relu_kernels

obs = pathjax.observables
KERNEL = ("kernel_norm", "kernel_drift", "kernel_drift_angle", "kernel_label_alignment", "kernel_distance")


def dense(apply, params, inputs, factors=None):
    """From the whole Jacobian, of all outputs by all weights."""
    floats, others = trees.split_floats(params)
    flat, unravel = ravel_pytree(floats)
    rates = jax.tree.map(lambda leaf: jnp.ones_like(leaf), floats)
    if factors is not None:
        chosen = jax.tree.map(lambda leaf, factor: None if leaf is None else factor, floats, factors, is_leaf=_is_none)
        rates = jax.tree.map(lambda leaf, factor: factor * jnp.ones_like(leaf), floats, chosen)
    outputs = lambda w: apply(trees.merge(unravel(w), others), inputs).reshape(len(inputs), -1)  # noqa: E731
    jacobian = np.asarray(jax.jacobian(outputs)(flat))
    scaled = jacobian * np.asarray(ravel_pytree(rates)[0])
    return np.einsum("icp,jcp->ij", scaled, jacobian) / jacobian.shape[1]


def _is_none(leaf):
    return leaf is None


def linen_case():
    from pathjax.models import MLP

    model = MLP(widths=(6, 5), num_classes=4, activation="tanh")
    inputs = jax.random.normal(jax.random.key(1), (7, 3), float)
    params = jax.tree.map(lambda a: a.astype(float), model.init(jax.random.key(0), inputs)["params"])
    return (lambda w, x: model.apply({"params": w}, x)), params, inputs


def plain_case():
    """With a leaf that counts, and outputs with two axes."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "shift": jnp.array(2),
        "v": jax.random.normal(keys[0], (5, 2, 3), float),
        "w": jax.random.normal(keys[1], (3, 5), float),
    }
    apply = lambda p, x: jnp.tensordot(jnp.sin(x @ p["w"] + p["shift"]), p["v"], 1)  # noqa: E731
    return apply, params, jax.random.normal(keys[2], (7, 3), float)


@pytest.mark.parametrize("block_bytes", [2**27, 2000, 1])
@pytest.mark.parametrize("case", [linen_case, plain_case])
def test_the_kernel_is_that_of_the_dense_jacobian(x64, monkeypatch, case, block_bytes):
    """All inputs at once, in blocks of which the last is short, and one by one."""
    apply, params, inputs = case()
    monkeypatch.setattr(kernel, "BLOCK_BYTES", block_bytes)
    expected = dense(apply, params, inputs)
    atol = 1e-10 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs), expected, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs), np.diag(expected), rtol=1e-10)
    rates = jax.tree.unflatten(jax.tree.structure(params), np.arange(len(jax.tree.leaves(params))) / 2)
    weighted = dense(apply, params, inputs, rates)
    assert np.abs(weighted - expected).max() > 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs, rates), weighted, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs, rates), np.diag(weighted), rtol=1e-10)


def test_half_precision_is_summed_in_single():
    w, x = jnp.ones((4, 2), jnp.bfloat16), jnp.full((3, 4), 1 + 2**-7, jnp.bfloat16)
    found = empirical_ntk(lambda w, x: x @ w, w, x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 4 * (1 + 2**-7) ** 2, rtol=1e-6)  # between two numbers of bfloat16


def test_one_output_may_come_without_an_axis_and_what_does_not_fit_is_refused():
    x = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x), x @ x.T)
    with pytest.raises(pathjax.InputError, match=r"gave the shape \(\) for one example: expected \(1, ...\)"):
        empirical_ntk(lambda w, x: jnp.sum(x @ w), jnp.ones(2), x)
    with pytest.raises(pathjax.InputError, match="factors have the leaves v: give a number for each leaf.*: w"):
        empirical_ntk(lambda w, x: x @ w["w"], {"w": jnp.ones(2)}, x, {"v": 1.0})
    with pytest.raises(pathjax.InputError, match="a kernel of no inputs"):
        empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x[:0])
    with pytest.raises(pathjax.InputError, match=r"3 inputs and labels of the shape \(2,\)"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.arange(2))
    with pytest.raises(pathjax.InputError, match="neither classes, .*nor targets"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.eye(3, dtype=int))


def test_networks_of_a_batch_go_one_by_one_in_the_memory_of_one():
    sizes, num = (100, 200, 10), 8
    params = jax.vmap(lambda k: random_weights(k, sizes))(jax.random.split(jax.random.key(0), num))
    inputs = jax.random.normal(jax.random.key(1), (20, 100))

    def scratch(fn, *args):
        return jax.jit(fn).lower(*args).compile().memory_analysis().temp_size_in_bytes

    one = lambda p: empirical_ntk(relu_network, p, inputs)  # noqa: E731
    of_one = scratch(one, trees.index(params, 0))
    gradients = len(inputs) * trees.num_bytes(trees.index(params, 0))
    assert of_one < 2 * gradients  # of one output, not of ten
    assert scratch(jax.vmap(one), params) < 1.5 * of_one
    together = jax.jit(jax.vmap(one))(params)
    for m in range(num):
        alone = jax.jit(one)(trees.index(params, m))
        np.testing.assert_allclose(together[m], alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())


def relu_network(params, x):
    """In the NTK parametrization: see `pathjax.theory.ntk`."""
    for i, (w, b) in enumerate(params):
        x = jnp.sqrt(VARIANCES[0] / w.shape[0]) * x @ w + jnp.sqrt(VARIANCES[1]) * b[None]
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


VARIANCES = (1.5, 0.3)


def random_weights(key, sizes):
    keys = jax.random.split(key, (len(sizes), 2))
    return [
        (jax.random.normal(k[0], (a, b)), jax.random.normal(k[1], (b,)))
        for k, (a, b) in zip(keys, itertools.pairwise(sizes), strict=False)
    ]


def kernels_over_seeds(apply, key, sizes, inputs, num_seeds):
    one = lambda k: empirical_ntk(apply, random_weights(k, sizes), inputs)  # noqa: E731
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_seeds)), np.float64)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_wide_relu_networks_have_the_closed_form(key, depth):
    """Their mean is it, within its error, and each falls near it as 1 / sqrt(width)."""
    inputs = jax.random.normal(key, (4, 6))
    exact, num_seeds = relu_kernels(inputs, depth, *VARIANCES).ntk, 40
    widths = (48, 768)
    deviations = []
    for width in widths:
        found = kernels_over_seeds(
            relu_network, jax.random.fold_in(key, width), (6, *[width] * depth, 2), inputs, num_seeds
        )
        deviations.append(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))
    error = found.std(0, ddof=1) / num_seeds**0.5
    assert (np.abs(found.mean(0) - exact) < 4.5 * error).all() and (error < 0.02 * np.abs(exact).max()).all()
    power = np.log(deviations[1] / deviations[0]) / np.log(widths[1] / widths[0])
    assert -0.65 < power < -0.35, deviations  # each deviation is known to 11% or so, the power to 0.06


def test_a_very_wide_network_is_near_it_alone(key):
    inputs = jax.random.normal(key, (4, 6))
    exact = relu_kernels(inputs, 1, *VARIANCES).ntk
    found = kernels_over_seeds(relu_network, key, (6, 4096, 2), inputs, 1)[0]
    assert np.abs(found - exact).max() < 5 * (3 / 4096) ** 0.5 * exact.max()


def test_outputs_covariance_over_seeds_is_the_other_kernel(key):
    inputs, num = jax.random.normal(key, (3, 6)), 4000
    outputs = jax.lax.map(
        lambda k: relu_network(random_weights(k, (6, 256, 256, 1)), inputs)[:, 0],
        jax.random.split(key, num),
        batch_size=20,
    )
    exact = relu_kernels(inputs, 2, *VARIANCES).nngp
    products = np.asarray(outputs)[:, :, None] * np.asarray(outputs)[:, None, :]
    error = products.std(0) / num**0.5
    assert (np.abs(products.mean(0) - exact) < 4.5 * error).all()


def test_learning_rates_make_the_usual_parametrization_the_other(key):
    inputs, sizes = jax.random.normal(key, (4, 6)), (6, 32, 32, 2)
    params = random_weights(key, sizes)
    scales = [((VARIANCES[0] / w.shape[0]) ** 0.5, VARIANCES[1] ** 0.5) for w, _ in params]
    scaled = jax.tree.map(lambda s, w: s * w, scales, params)

    def usual(params, x):
        for i, (w, b) in enumerate(params):
            x = x @ w + b[None]
            x = jax.nn.relu(x) if i < len(params) - 1 else x
        return x

    found = empirical_ntk(usual, scaled, inputs, jax.tree.map(lambda s: s**2, scales))
    np.testing.assert_allclose(found, empirical_ntk(relu_network, params, inputs), rtol=1e-4)


def test_closed_forms_at_their_ends():
    x = np.array([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    linear = relu_kernels(x, 0, 3.0, 0.5)
    np.testing.assert_allclose(linear.ntk, 1.5 * x @ x.T + 0.5)
    np.testing.assert_array_equal(linear.ntk, linear.nngp)
    deep = relu_kernels(x, 5)
    np.testing.assert_allclose(np.diag(deep.nngp)[:2], 5, rtol=1e-12)  # variance 2 keeps sizes
    np.testing.assert_allclose(np.diag(deep.ntk)[:2], 6 * 5, rtol=1e-12)  # and each layer adds as much
    assert not deep.ntk[2].any() and np.isfinite(deep.ntk).all()
    np.testing.assert_allclose(relu_kernels(x, 1).nngp[0, 1], 0, atol=1e-12)  # opposite inputs share no unit
    for bad in ({"depth": -1}, {"depth": 1, "weight_variance": 0.0}, {"depth": 1, "bias_variance": -1.0}):
        with pytest.raises(pathjax.InputError, match="out of range"):
            relu_kernels(x, **bad)
    with pytest.raises(pathjax.InputError, match="computes nothing"):
        one_hidden_fluctuation(0, 1)


def without_biases(params, x):
    for i, w in enumerate(params):
        x = jnp.sqrt(2 / w.shape[0]) * x @ w
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


def fluctuation_at_start(key, depth, width, num_outputs, num_seeds):
    inputs, sizes = jax.random.normal(key, (2, 6)), (6, *[width] * depth, num_outputs)
    one = lambda k: kernel_diagonal(without_biases, [w for w, _ in random_weights(k, sizes)], inputs)  # noqa: E731
    diagonals = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_seeds))
    return [float(number) for number in fluctuation(diagonals, jnp.ones(num_seeds, bool))]


@pytest.mark.parametrize("num_outputs", [1, 5])
@pytest.mark.parametrize("width", [16, 128])
def test_one_hidden_layer_fluctuates_exactly_so(key, width, num_outputs):
    found, error = fluctuation_at_start(key, 1, width, num_outputs, 1000)
    expected = one_hidden_fluctuation(width, num_outputs)
    assert abs(found - expected) < 4 * error and error < 0.15 * expected


def test_fluctuations_grow_as_depth_over_width(key):
    table = {(d, w): fluctuation_at_start(key, d, w, 1, 500) for d in (1, 2, 4) for w in (64, 256)}
    for depth in (1, 2, 4):
        (wide, wide_error), (narrow, narrow_error) = table[depth, 256], table[depth, 64]
        # But for the next order in depth / width.
        error = 4 * narrow * np.hypot(wide_error / wide, narrow_error / narrow)
        assert abs(narrow - 4 * wide) < error + narrow * 2 * depth / 64
    values = [table[depth, 256][0] for depth in (1, 2, 4)]
    steps = np.diff(values) / [1, 2] * 256
    assert (steps > 1).all() and (steps < 6).all()  # each layer adds a few / width


def rolled(key, measures, num_steps=6, spoiled=None, **layout):
    """Records of a small network in training, and its members at start and end."""
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key, epsilons=(0.3,), num_seeds=4)
    if spoiled is not None:
        weights = jax.tree.map(lambda a: a.at[spoiled].set(jnp.nan), members.state.params)
        members = members._replace(state=members.state._replace(params=weights))
    result = pathjax.rollout(
        dynamics, members, examples, schedule(num_steps, 32), measures(members, examples), **layout
    )
    return result.records, members, result.ensemble, examples


def tangent(members, examples):
    return [obs.tangent_kernel(predict, *examples, every=2)]


def test_records_are_their_definitions(key):
    records, *ends, (inputs, labels) = rolled(key, tangent)
    start, end = ([dense(predict, trees.index(e.state.params, m), inputs) for m in range(7)] for e in ends)
    targets = np.eye(3)[np.asarray(labels)]
    middle = np.eye(32) - 1 / 32
    for m in (0, 2, 5):
        now, first, own = end[m], start[m], middle @ end[m] @ middle
        wanted = middle @ targets @ targets.T @ middle
        norm = np.linalg.norm
        expected = {
            "kernel_norm": norm(now),
            "kernel_drift": norm(now - first) / norm(first),
            "kernel_drift_angle": np.arccos((now * first).sum() / norm(now) / norm(first)),
            "kernel_label_alignment": (own * wanted).sum() / norm(own) / norm(wanted),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(records[name][-1, m], value, rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(
        records["kernel_distance"][-1, 5], np.linalg.norm(end[5] - end[0]) / np.linalg.norm(end[0]), rtol=1e-3
    )
    assert not records["kernel_drift"][0].any() and not records["kernel_drift_angle"][0].any()  # to the bit
    assert (records["kernel_drift"][1:] > 1e-3).all()


@pytest.mark.parametrize(("tile", "num_devices"), [(1, 1), (2, 1), (3, 2), (2, 4)])
def test_the_replica_is_exactly_at_0_and_layouts_agree(key, tile, num_devices):
    layout = {"member_tile": tile, "mesh": pathjax.member_mesh(num_devices) if num_devices > 1 else None}
    whole, *_ = rolled(key, tangent)
    records, *_ = rolled(key, tangent, **layout)
    for found in (whole, records):
        assert not found["kernel_distance"][:, :2].any()
        assert (found["kernel_distance"][:, 3:] > 1e-3).all()
        assert not found["kernel_drift"][0].any() and not found["kernel_drift_angle"][0].any()
    for name in KERNEL:
        others = np.delete(np.arange(7), 2)  # the roundoff member is all rounding
        np.testing.assert_allclose(records[name][:, others], whole[name][:, others], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("layout", [{}, {"member_tile": 1}, {"member_tile": 2}])
def test_so_is_the_replica_of_a_network_with_one_output(key, layout):
    """Whose kernel is not a loop over outputs."""
    inputs, targets = jax.random.normal(key, (16, 5)), jnp.arange(16.0) / 16
    apply = lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"]  # noqa: E731
    dynamics = pathjax.training_dynamics(lambda p, e: (apply(p, e[0]) - e[1]) ** 2, optax.sgd(0.1))
    params = {"w": jax.random.normal(key, (5, 9)), "v": jnp.ones(9)}
    members, measure = ensemble(dynamics, params, key), obs.tangent_kernel(apply, inputs, targets)
    records = pathjax.rollout(dynamics, members, (inputs, targets), schedule(5, 16), [measure], **layout).records
    assert not records["kernel_distance"][:, :2].any() and records["kernel_drift"][1:].all()


def test_the_kernel_of_a_linear_model_does_not_move(key):
    inputs, targets = jax.random.normal(key, (16, 5)), jax.random.normal(key, (16, 2))
    dynamics = pathjax.training_dynamics(lambda w, e: jnp.sum((e[0] @ w - e[1]) ** 2, -1), optax.sgd(0.05))
    members = ensemble(dynamics, jnp.ones((5, 2)), key, epsilons=(1.0,))
    measure = obs.tangent_kernel(lambda w, x: x @ w, inputs, targets)
    result = pathjax.rollout(dynamics, members, (inputs, targets), schedule(20, 16), [measure])
    moved = jnp.abs(result.ensemble.state.params - members.state.params)
    assert (moved > 0.01).any()
    for name in ("kernel_drift", "kernel_drift_angle", "kernel_distance"):
        assert result.records[name].max() < 1e-6, name  # rounding: the loop is another program than its start
    np.testing.assert_allclose(result.records["kernel_norm"], np.linalg.norm(inputs @ inputs.T), rtol=1e-5)


def test_a_kernel_that_is_the_labels_is_aligned_with_them(x64):
    rng = np.random.default_rng(0)
    classes, targets = jnp.array([0, 3, 1, 1, 0, 3]), jnp.asarray(rng.normal(size=(6, 2)) + 5)
    grams = [(classes, jnp.eye(4)[classes]), (targets, targets)]
    for labels, features in grams:
        product = features @ features.T
        found = compare(3 * product, product, product, label_gram(labels))
        np.testing.assert_allclose(found["kernel_label_alignment"], 1, rtol=1e-12)
        shifted = compare(product + 7.0, product, product, label_gram(labels))  # a constant says nothing of labels
        np.testing.assert_allclose(shifted["kernel_label_alignment"], 1, rtol=1e-12)
        other = jnp.asarray(rng.normal(size=(6, 6)))
        assert compare(other @ other.T, product, product, label_gram(labels))["kernel_label_alignment"] < 0.99
    for alike in (jnp.zeros(6, int), jnp.full(6, 0.1)):
        assert np.isnan(compare(jnp.eye(6), jnp.eye(6), jnp.eye(6), label_gram(alike))["kernel_label_alignment"])
    assert np.isnan(
        compare(jnp.full((6, 6), 0.1), jnp.eye(6), jnp.eye(6), label_gram(classes))["kernel_label_alignment"]
    )
    np.testing.assert_allclose(centred(product).sum(0), 0, atol=1e-10)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_member_that_is_no_number_spoils_no_other(key, num_devices):
    layout = {"member_tile": 2, "mesh": pathjax.member_mesh(2)} if num_devices == 2 else {}

    def both(members, examples):
        roles = ("baseline", "perturbed")
        return [*tangent(members, examples), obs.gradient_fluctuation(predict, *examples, members.members, 2, roles)]

    whole, *_ = rolled(key, both, **layout)
    spoiled, members, _, examples = rolled(key, both, spoiled=4, **layout)
    others = np.delete(np.arange(7), 4)
    for name in KERNEL:
        assert np.isnan(spoiled[name][:, 4]).all(), name
        np.testing.assert_array_equal(spoiled[name][:, others], whole[name][:, others], err_msg=name)
    assert (whole["fluctuation_members"] == 5).all() and (spoiled["fluctuation_members"] == 4).all()
    chosen = [0, 3, 5, 6]
    diagonals = [np.diag(dense(predict, trees.index(members.state.params, m), examples[0])) for m in chosen]
    expected = (np.var(diagonals, axis=0, ddof=1) / np.mean(diagonals, axis=0) ** 2).mean()
    np.testing.assert_allclose(spoiled["kernel_fluctuation"][0], expected, rtol=1e-3)
    assert all(np.isfinite(spoiled[name]).all() for name in spoiled if "fluctuation" in name)


@pytest.mark.parametrize("kind", ["classes", "targets"])
def test_fluctuations_over_initializations_are_those_of_their_gradients(key, kind):
    dynamics, params, (inputs, labels) = network(key)
    independent = trees.stack([network(k)[1] for k in jax.random.split(jax.random.key(1), 5)])
    made = {"epsilons": [0.1], "num_seeds": 2, "independent": independent}
    members = pathjax.make_ensemble(dynamics, params, pathjax.on_sphere(), key, **made)
    given = labels if kind == "classes" else jax.nn.one_hot(labels, 3)
    rates = {"b0": 0.0, "b1": 1.0, "w0": 2.0, "w1": 0.5}

    def loss(p):
        outputs = predict(p, inputs)
        by_class = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        return jnp.mean(by_class if kind == "classes" else jnp.sum((outputs - given) ** 2, 1) / 2)

    measure = obs.gradient_fluctuation(predict, inputs, given, members.members, 2, factors=rates)
    records = pathjax.rollout(dynamics, members, (inputs, labels), schedule(2, 32), [measure], member_tile=2).records
    squares, diagonals = [], []
    for m in (0, 5, 6, 7, 8, 9):
        weights = trees.index(members.state.params, m)
        squares.append([sum(rates[name] * float(jnp.sum(g**2)) for name, g in jax.grad(loss)(weights).items())])
        diagonals.append(np.diag(dense(predict, weights, inputs, rates)))
    for name, values in (("kernel_fluctuation", diagonals), ("gradient_norm_fluctuation", squares)):
        of = lambda v: (np.var(v, axis=0, ddof=1) / np.mean(v, axis=0) ** 2).mean()  # noqa: E731
        without = [of(np.delete(values, m, axis=0)) for m in range(6)]
        np.testing.assert_allclose(records[name][0], of(values), rtol=1e-3)
        np.testing.assert_allclose(records[f"{name}_error"][0], np.std(without) * 5**0.5, rtol=1e-3)


def test_fluctuations_that_cannot_be_told_are_not():
    values = jnp.array([[1.0], [3.0], [5.0]])
    assert np.isnan(fluctuation(values, jnp.array([True, False, False]))).all()
    two, error = fluctuation(values, jnp.array([True, True, False]))
    assert two == 0.5 and np.isnan(error)
    members = pathjax.Members(np.array(["baseline", "replica", "roundoff"]), np.zeros(3), np.zeros(3))
    with pytest.raises(pathjax.InputError, match="1 members of the roles baseline, independent do not fluctuate"):
        obs.gradient_fluctuation(predict, jnp.zeros((4, 5)), jnp.zeros(4, int), members)


def test_fluctuations_of_another_ensemble_or_of_targets_of_another_shape_are_refused(key):
    dynamics, params, (inputs, labels) = network(key)
    members, fewer = ensemble(dynamics, params, key), ensemble(dynamics, params, key, num_seeds=1)
    arguments = (dynamics, members, (inputs, labels), schedule(2, 32))
    for own, given, message in (
        (fewer, labels, "is for 5 members and 7 are there"),
        (members, inputs, r"outputs of the shape \(3,\) and targets of the shape \(5,\)"),
    ):
        measure = obs.gradient_fluctuation(predict, inputs, given, own.members, roles=("perturbed",))
        with pytest.raises(pathjax.InputError, match=message):
            pathjax.rollout(*arguments, [measure])
