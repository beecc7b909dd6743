import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.models import ACTIVATIONS, MLP, Dense, kaiming_sphere
from pathjax.training.optimizers import OPTIMIZERS, named_optimizer
from pathjax.training.transformations import SCHEDULES, schedule_factor, scheduled, with_clipping


def test_initial_norms_equal_those_of_the_recorded_runs(key):
    params = MLP((100,), 10, "relu").init(key, jnp.zeros((1, 28, 28, 1)))["params"]
    norms = {
        (layer, name): float(np.linalg.norm(np.asarray(leaf, np.float64).ravel()))
        for layer, leaves in params.items()
        for name, leaf in leaves.items()
    }
    np.testing.assert_allclose(norms["Dense_0", "kernel"], (784 * 100 * 2 / 784) ** 0.5, rtol=1e-6)
    np.testing.assert_allclose(norms["Dense_0", "bias"], (100 * 2 / 784) ** 0.5, rtol=1e-6)
    np.testing.assert_allclose(norms["Dense_1", "bias"], (10 * 2 / 100) ** 0.5, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(sum(n**2 for n in norms.values())), 14.85, atol=0.005)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the order of a product's factors is that of XLA on a CPU")
def test_a_kernel_stays_the_first_factor_of_its_product(key):
    inputs = jnp.ones((64, 256))
    variables = Dense(128).init(key, inputs)
    compiled = jax.jit(Dense(128).apply).lower(variables, inputs).compile().as_text()
    products = [line for line in compiled.splitlines() if " dot(" in line]
    assert products and all("f32[128,64]" in line for line in products)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("widths", [(), (3,), (4, 3)])
def test_networks_of_any_width_and_activation_return_logits(key, activation, widths):
    model = MLP(widths, 5, activation)
    variables = model.init(key, jnp.zeros((1, 2, 3)))
    assert model.apply(variables, jnp.ones((7, 2, 3))).shape == (7, 5)
    assert len(jax.tree.leaves(variables)) == 2 * (len(widths) + 1)


def test_a_dense_layer_and_its_gradient_equal_the_plain_product_for_many_members(key):
    x, layer = jax.random.normal(key, (7, 5)), Dense(3)
    members = jax.vmap(lambda key: layer.init(key, x)["params"])(jax.random.split(key, 4))

    def value(apply):
        return jax.vmap(jax.value_and_grad(lambda params: jnp.sum(apply(params) ** 2)))(members)

    ours = value(lambda params: layer.apply({"params": params}, x))
    plain = value(lambda params: x @ params["kernel"].T + params["bias"][None])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), ours, plain)


def test_the_initializer_is_uniform_on_its_sphere():
    drawn = jax.vmap(lambda key: kaiming_sphere(2)(key, (2,)))(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 2**0.5, rtol=1e-6)
    np.testing.assert_allclose(np.mean(drawn, axis=0), 0, atol=0.08)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(((3,), 10, "rely"), "unknown activation 'rely'"), (((0,), 10, "relu"), "width 0"), (((3,), 0), "width 0")],
)
def test_bad_networks_are_rejected(arguments, message):
    with pytest.raises(pathjax.InputError, match=message):
        MLP(*arguments)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_named_optimizers_descend_with_traced_hyperparameters(name):
    build = named_optimizer(name, {"learning_rate": 0.05})
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), build)
    state = dynamics.init(jnp.array([1.0, 0.0]), {"learning_rate": 0.05})
    step = jax.jit(lambda s: dynamics.step(s, pathjax.Batch(None, None, jax.random.key(0)))[0])
    for _ in range(100):
        state = step(state)
    assert abs(float(state.params[0])) < 0.2 and float(state.params[1]) == 0.0


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizers_have_finite_tangents_where_a_gradient_is_exactly_zero(name):
    build = named_optimizer(name, {"learning_rate": 0.05})
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * w[0] ** 2 + 0.0 * w[1], build)
    state = dynamics.init(jnp.array([1.0, 1.0]), {"learning_rate": 0.05})

    def step(w):
        return dynamics.step(state._replace(params=w), pathjax.Batch(None, None, jax.random.key(0)))[0].params

    assert np.isfinite(jax.jacobian(step)(state.params)).all()


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion"])
def test_weight_decay_acts_on_chosen_leaves_only(name):
    hparams = {"learning_rate": 0.1, "weight_decay": 0.5}
    weights = {"Dense_0": {"bias": jnp.ones(2), "kernel": jnp.ones((2, 2))}}
    gradients = jax.tree.map(lambda w: 0.3 * w, weights)
    one, masked, without = (
        named_optimizer(name, hparams | {"weight_decay": decay}, pattern)(hparams | {"weight_decay": decay})
        for pattern, decay in ((None, 0.5), ("kernel$", 0.5), (None, 0.0))
    )
    after = [o.update(gradients, o.init(weights), weights)[0]["Dense_0"] for o in (one, masked, without)]
    np.testing.assert_array_equal(after[1]["kernel"], after[0]["kernel"])
    np.testing.assert_array_equal(after[1]["bias"], after[2]["bias"])
    assert not np.array_equal(after[0]["bias"], after[2]["bias"])


def test_clipping_is_optaxs_and_a_hyperparameter(key):
    build = with_clipping(named_optimizer("sgd", {"learning_rate": 0.1}))
    gradients = {"a": jax.random.normal(key, (3, 4)), "b": 5 * jax.random.normal(key, (4,))}
    for clip in ({}, {"clip_norm": 0.5}, {"clip_value": 0.2}, {"clip_value": 0.2, "clip_norm": 0.5}):
        own = build({"learning_rate": 0.1} | clip)
        most = clip.get("clip_value", np.inf)
        expected = jax.tree.map(lambda g, most=most: jnp.clip(g, -most, most), gradients)
        norm = optax.tree.norm(expected)
        factor = min(1.0, clip.get("clip_norm", np.inf) / float(norm))
        found = own.update(gradients, own.init(gradients))[0]
        jax.tree.map(lambda u, g, f=factor: np.testing.assert_allclose(u, -0.1 * f * g, rtol=1e-5), found, expected)

    def step(clip_norm):
        own = build({"learning_rate": 0.1, "clip_norm": clip_norm})
        return own.update(gradients, own.init(gradients))[0]["b"]

    norms = jnp.linalg.norm(jax.vmap(step)(jnp.array([0.1, 0.2])), axis=1)
    np.testing.assert_allclose(norms[1], 2 * norms[0], rtol=1e-5)


def test_momentum_equals_that_of_optax():
    build = named_optimizer("sgd", {"learning_rate": 0.1, "momentum": 0.5})
    gradient = jnp.ones(2)
    reference, named = optax.sgd(0.1, momentum=0.5), build({"learning_rate": 0.1, "momentum": 0.5})
    one, state = named.update(gradient, named.init(gradient))
    two, _ = named.update(gradient, state)
    one_, state_ = reference.update(gradient, reference.init(gradient))
    two_, _ = reference.update(gradient, state_)
    np.testing.assert_array_equal([one, two], [one_, two_])


@pytest.mark.parametrize(
    ("name", "hparams", "message"),
    [
        ("sdg", {"learning_rate": 0.1}, "unknown optimizer 'sdg'"),
        ("adam", {"learning_rate": 0.1, "momentum": 0.9}, "optimizer 'adam' has no 'momentum'"),
        ("sgd", {"momentum": 0.9}, "needs a learning_rate"),
        ("sgd", {"learning_rate": 0.0}, "learning_rate 0 is out of range: choose more than 0"),
        ("sgd", {"learning_rate": float("nan")}, "out of range"),
        ("sgd", {"learning_rate": 0.1, "momentum": 1.0}, "momentum 1 is out of range: choose at least 0, below 1"),
    ],
)
def test_bad_hyperparameters_are_rejected(name, hparams, message):
    with pytest.raises(pathjax.InputError, match=message):
        named_optimizer(name, hparams)


def test_muon_moves_matrices_by_orthogonal_steps_and_its_tangents_are_finite():
    build = named_optimizer("muon", {"learning_rate": 0.1})
    target = jax.random.normal(jax.random.key(1), (4, 6))
    dynamics = pathjax.training_dynamics(
        lambda w, x: 0.5 * jnp.sum((w["w"] - target) ** 2 * jnp.arange(1.0, 7.0)[None]), build
    )
    state = dynamics.init({"w": jnp.zeros((4, 6)), "b": jnp.ones(3)}, {"learning_rate": 0.1})
    batch = pathjax.Batch(None, None, jax.random.key(0))
    step = jax.jit(lambda s: dynamics.step(s, batch)[0])
    after = step(state)
    values = np.linalg.svd(after.params["w"], compute_uv=False)
    assert values.min() > 0.05 and values.max() < 0.15  # nearly the same length in every direction
    np.testing.assert_array_equal(after.params["b"], state.params["b"])
    tangents = jax.jacfwd(lambda w: step(state._replace(params={"w": w, "b": jnp.ones(3)})).params["w"])(
        after.params["w"]
    )
    assert np.isfinite(tangents).all()


def test_schedules_scale_the_steps_of_any_optimizer():
    for name in SCHEDULES:
        factor = schedule_factor(name, 100, 10)
        values = np.array([factor(step) for step in range(101)])
        np.testing.assert_allclose(values[:11], np.arange(11) / 10, atol=1e-6)
        end = 1.0 if name == "constant" else 0.0
        np.testing.assert_allclose(values[100], end, atol=1e-6)
        assert (np.diff(values[10:]) <= 1e-6).all()
    build = scheduled(named_optimizer("adam", {"learning_rate": 0.1}), schedule_factor("linear", 4))
    dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w), build)
    state, moved = dynamics.init(jnp.zeros(1), {"learning_rate": 0.1}), []
    for _ in range(4):
        after, _ = dynamics.step(state, pathjax.Batch(None, None, jax.random.key(0)))
        moved.append(float(state.params[0] - after.params[0]))
        state = after
    np.testing.assert_allclose(moved, [0.1, 0.075, 0.05, 0.025], rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("step", 10), "unknown schedule 'step'"), (("cosine", 10, 10), "choose 0 to 9"), (("cosine", 10, -1), "0 to 9")],
)
def test_bad_schedules_are_rejected(arguments, message):
    with pytest.raises(pathjax.InputError, match=message):
        schedule_factor(*arguments)
