"""Initial weights, features and steps scale with the width as theory predicts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.data import load_dataset
from pathjax.models import (
    MLP,
    PARAMETRIZATIONS,
    Attention,
    Parametrization,
    Transformer,
    Weights,
    learning_rate_factors,
)
from pathjax.models.intermediates import layer_outputs
from pathjax.training.optimizers import UPDATE_KIND, named_optimizer
from pathjax.training.transformations import with_rates

WIDTHS, BASE = (64, 192, 576), 64
RATES = {"sgd": 0.05, "adam": 1e-3, "muon": 3e-3}
INPUTS = jax.random.normal(jax.random.key(7), (20, 12))
LABELS = jnp.arange(20) % 3


def mlp(width, name, s=1.0, depth=3):
    return MLP((width,) * depth, 3, "tanh", Weights("kaiming_normal", "zeros", Parametrization(name, s, BASE)))


def dynamics_of(model, optimizer, rate, like=INPUTS):
    params = jax.eval_shape(model.init, jax.random.key(0), like)["params"]
    hparams = {"learning_rate": rate}
    factors = learning_rate_factors(model, params, like, UPDATE_KIND[optimizer])

    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, examples[1]))

    return pathjax.training_dynamics(loss_fn, with_rates(named_optimizer(optimizer, hparams), factors)), hparams


def moved(width, name, optimizer, s=1.0, num_steps=4):
    """Root mean squares of initial outputs and of their change in some steps, by layer: means over initializations."""
    model = mlp(width, name, s)
    dynamics, hparams = dynamics_of(model, optimizer, RATES[optimizer])
    batch = pathjax.Batch((INPUTS, LABELS), None, jax.random.key(0))

    def one(key):
        state = dynamics.init(model.init(key, INPUTS)["params"], hparams)
        after, _ = jax.lax.scan(lambda s, _: dynamics.step(s, batch), state, length=num_steps)
        before, now = (layer_outputs(model)(state.params, INPUTS), layer_outputs(model)(after.params, INPUTS))
        rms = lambda a: jnp.sqrt(jnp.mean(a**2))  # noqa: E731
        return {layer: (rms(before[layer]), rms(now[layer] - before[layer])) for layer in before}

    found = jit_fast_compile(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(3), 6))
    return {layer: [float(jnp.mean(a)) for a in pair] for layer, pair in found.items()}


def slopes(name, optimizer, s=1.0, num_steps=4):
    """Powers of the width of initial outputs and of their change, by layer."""
    found = [moved(width, name, optimizer, s, num_steps) for width in WIDTHS]
    logs = np.log(np.array([[one[layer] for layer in sorted(one)] for one in found]))
    fitted = np.polyfit(np.log(WIDTHS), logs.reshape(len(WIDTHS), -1), 1)[0].reshape(-1, 2)
    return dict(zip(sorted(found[0]), fitted, strict=True))


# Muon's iteration takes longest; the ends of the family have all other optimizers.
SLOW = {("ntk", "adam"), ("ntk", "muon"), ("mup", "muon"), ("family", "adam"), ("family", "muon")}
SLOPES = [
    pytest.param(name, s, optimizer, marks=[pytest.mark.slow] if (name, optimizer) in SLOW else [])
    for name, s, optimizers in (("ntk", 0.0, RATES), ("mup", 1.0, RATES), ("family", 0.5, ("sgd", "adam", "muon")))
    for optimizer in sorted(optimizers)
]


@pytest.mark.parametrize(("name", "s", "optimizer"), SLOPES)
def test_features_move_by_the_parametrizations_power_of_the_width(name, s, optimizer):
    found = slopes(name, optimizer, s)
    *hidden, last = (found[layer] for layer in sorted(found))
    for start, change in hidden:
        assert abs(start) < 0.05 and abs(change - (s - 1) / 2) < 0.15, found
    start, change = last
    assert abs(start + s / 2) < 0.15, found  # initial outputs shrink with the width, learned outputs do not
    assert abs(change) < 0.15, found


def test_in_the_standard_parametrization_wider_networks_move_farther():
    found = slopes("standard", "adam")
    assert all(change > 0.35 for _, change in list(found.values())[1:]), found


@pytest.mark.parametrize(("optimizer", "first", "behind"), [("sgd", -0.5, 0.5), ("adam", 0.0, 1.0)])
def test_the_first_step_of_the_standard_parametrization_follows_these_powers(optimizer, first, behind):
    """Only for the layers with features; later steps are shorter, once wide networks have learned."""
    *found, _ = (change for _, change in slopes("standard", optimizer, num_steps=1).values())
    np.testing.assert_allclose(found, [first, behind, behind], atol=0.15)


def function_after(model, optimizer, params, num_steps=10):
    dynamics, hparams = dynamics_of(model, optimizer, RATES[optimizer], INPUTS.astype(float))
    batch = pathjax.Batch((INPUTS.astype(float), LABELS), None, jax.random.key(0))
    state = dynamics.init(params, hparams)
    after, _ = jax.lax.scan(lambda s, _: dynamics.step(s, batch), state, length=num_steps)
    return model.apply({"params": after.params}, INPUTS.astype(float))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", sorted(RATES))
@pytest.mark.parametrize(("name", "s"), [("ntk", 0.0), ("mup", 1.0)])
def test_the_ends_of_the_family_equal_ntk_and_mup(x64, name, s, optimizer):
    """With different multipliers, different weights take the same path in function space."""
    one, other = mlp(256, name), mlp(256, "family", s)
    as_float64 = lambda tree: jax.tree.map(lambda leaf: leaf.astype(float), tree)  # noqa: E731
    params, other_params = (as_float64(m.init(jax.random.key(1), INPUTS)["params"]) for m in (one, other))
    pairs = ((one, params), (other, other_params))
    found, same = (jit_fast_compile(lambda p, m=m: function_after(m, optimizer, p))(p) for m, p in pairs)
    start = one.apply({"params": params}, INPUTS)
    np.testing.assert_allclose(start, other.apply({"params": other_params}, INPUTS), rtol=1e-6)
    # The epsilons of Adam and Muon do not scale with the multiplier.
    exact = 1e-6 if optimizer == "sgd" else 2e-3
    np.testing.assert_allclose(found - start, same - start, atol=exact * float(jnp.abs(found - start).max()))


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_at_the_base_width_all_parametrizations_are_the_same(name):
    model, plain = mlp(BASE, name), mlp(BASE, "standard")
    params, own = (m.init(jax.random.key(0), INPUTS)["params"] for m in (model, plain))
    jax.tree.map(np.testing.assert_array_equal, params, own)
    for steps in ("sgd", "adam", "muon"):
        factors = jax.tree.leaves(learning_rate_factors(model, params, INPUTS, steps))
        assert set(factors) == {1.0}


def losses_by_rate(width, name):
    """Losses after 25 steps of Adam on digits, for learning rates in factors of 2."""
    images, labels = (jnp.asarray(a[:600]) for a in load_dataset("digits").train)
    model = MLP((width, width), 10, "relu", Weights("kaiming_normal", "zeros", Parametrization(name, 1.0, 32)))
    dynamics, _ = dynamics_of(model, "adam", 1.0, images)
    batch = pathjax.Batch((images, labels), None, jax.random.key(0))

    def of_rate(rate):
        state = dynamics.init(model.init(jax.random.key(0), images)["params"], {"learning_rate": rate})
        return jax.lax.scan(lambda s, _: dynamics.step(s, batch), state, length=25)[1].loss[-1]

    rates = 2.0 ** jnp.arange(-13, -3)
    return np.asarray(jax.jit(lambda rates: jax.lax.map(of_rate, rates))(rates))


def octaves_to_learn(losses):
    """How many times the smallest rate must be doubled for the loss to fall to 1."""
    first = int(np.flatnonzero(losses < 1)[0])
    return first - (1 - losses[first]) / (losses[first - 1] - losses[first])


@pytest.mark.slow
def test_learning_rates_transfer_between_widths_in_maximal_update_but_not_in_the_standard_parametrization():
    narrow, wide = (losses_by_rate(width, "mup") for width in (128, 512))
    assert abs(octaves_to_learn(wide) - octaves_to_learn(narrow)) < 0.5
    assert abs(int(wide.argmin()) - int(narrow.argmin())) <= 1
    narrow, wide = (losses_by_rate(width, "standard") for width in (128, 512))
    assert octaves_to_learn(narrow) - octaves_to_learn(wide) > 1


def test_attention_is_divided_by_the_size_of_a_head_in_maximal_update():
    """If keys equal queries, scores are sums of squares over a head, which grow with its size unless divided by it."""
    for name, power in (("standard", 0.5), ("ntk", 0.5), ("mup", 0.0)):
        found = []
        for width in (64, 1024):
            layer = Attention(2, False, Weights("kaiming_normal", "zeros", Parametrization(name, base_width=64)))
            x = jax.random.normal(jax.random.key(1), (1, 2, width))
            params = layer.init(jax.random.key(0), x)["params"]
            params["Dense_1"]["kernel"] = params["Dense_0"]["kernel"]
            _, sown = layer.apply({"params": params}, x, mutable=["intermediates"])
            attention = sown["intermediates"]["attention"][0]
            found.append(float(jnp.mean(jnp.log(attention[..., 0, 0] / attention[..., 0, 1]))))
        np.testing.assert_allclose(np.log(found[1] / found[0]) / np.log(16), power, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_features_of_a_transformer_move_equally_far_at_any_width_in_maximal_update(optimizer):
    tokens, targets = jax.random.randint(jax.random.key(5), (2, 8, 6), 0, 7)
    found = []
    for width in (32, 256):
        weights = Weights("kaiming_normal", "zeros", Parametrization("mup", base_width=32))
        model = Transformer((width,), 7, "gelu", weights, num_heads=2)
        dynamics, hparams = dynamics_of(model, optimizer, RATES[optimizer], tokens)
        batch = pathjax.Batch((tokens, targets), None, jax.random.key(0))

        def one(key, model=model, dynamics=dynamics, hparams=hparams, batch=batch):
            state = dynamics.init(model.init(key, tokens)["params"], hparams)
            after, _ = jax.lax.scan(lambda s, _: dynamics.step(s, batch), state, length=4)
            outputs = [layer_outputs(model)(s.params, tokens) for s in (state, after)]
            return {name: jnp.sqrt(jnp.mean((outputs[1][name] - outputs[0][name]) ** 2)) for name in outputs[0]}

        moved = jit_fast_compile(lambda keys, one=one: jax.lax.map(one, keys))(jax.random.split(jax.random.key(3), 4))
        found.append({name: float(jnp.mean(a)) for name, a in moved.items()})
    for name in found[0]:
        assert abs(np.log(found[1][name] / found[0][name]) / np.log(8)) < 0.25, (name, found)


@pytest.mark.slow
def test_biases_start_as_at_the_base_width_and_are_the_same_in_float64():
    for width in (BASE, 16 * BASE):
        model = MLP((width, width), 3, weights=Weights(parametrization=Parametrization("mup", base_width=BASE)))
        params = model.init(jax.random.key(0), INPUTS)["params"]
        np.testing.assert_allclose(jnp.std(params["Dense_1"]["bias"]), np.sqrt(2 / BASE), rtol=0.2)
    model = Transformer((8,), 7, num_heads=2)
    tokens = jnp.zeros((1, 4), jnp.int32)
    plain = model.init(jax.random.key(0), tokens)
    with jax.enable_x64(True):
        wide = model.init(jax.random.key(0), tokens)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), plain, wide)
