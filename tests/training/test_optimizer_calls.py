"""Optimizers of all kinds: they run with an exact replica, and give the same bits on several devices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.small_runs import KEY, assert_rejected, end, ensemble_of, mse, run


def test_what_is_no_optimizer_is_one_line():
    assert_rejected(r"an optax optimizer such as optax.adam\(1e-3\)", optax.adam)
    assert_rejected(r"optimizer\(hparams\) failed \(KeyError: 'lr'\).*given: none", lambda h: optax.sgd(h["lr"]))
    assert_rejected(r"optimizer\(hparams\) returned a float", lambda h: 0.1, hparams={"lr": 0.1})
    assert_rejected("optimizer must be an optax optimizer", 0.1)
    changing = optax.GradientTransformation(lambda w: jnp.zeros(2), lambda g, s, w=None: (g, jnp.zeros(3)))
    assert_rejected("changes the structure or the shapes of its state", changing)


NAMED = {
    **{name: getattr(optax, name)(0.01) for name in ("adabelief", "adadelta", "adagrad", "adam", "adamax", "adamw")},
    **{name: getattr(optax, name)(0.01) for name in ("amsgrad", "lamb", "lars", "lion", "nadam", "nadamw", "novograd")},
    **{name: getattr(optax, name)(0.01) for name in ("radam", "rmsprop", "rprop", "sgd", "sign_sgd", "sm3", "yogi")},
    "adafactor": optax.adafactor(0.01),
    "adan": optax.adan(0.01),
    "fromage": optax.fromage(0.01),
    "lbfgs": optax.lbfgs(),
    "momentum": optax.sgd(0.01, momentum=0.9),
    "noisy_sgd": optax.noisy_sgd(0.01, key=0),
    "optimistic": optax.optimistic_gradient_descent(0.01),
    "polyak_sgd": optax.polyak_sgd(),
    "acprop": optax.contrib.acprop(0.01),
    "ademamix": optax.contrib.ademamix(0.01),
    "cocob": optax.contrib.cocob(),
    "dadapt": optax.contrib.dadapt_adamw(),
    "momo": optax.contrib.momo(0.01),
    "momo_adam": optax.contrib.momo_adam(0.01),
    "muon": optax.contrib.muon(0.01),
    "prodigy": optax.contrib.prodigy(),
    "schedule_free": optax.contrib.schedule_free_adamw(0.01),
}
FEW = ("adam", "momentum", "polyak_sgd", "radam")
CHOSEN = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in sorted(NAMED)]


@pytest.mark.parametrize("name", CHOSEN)
def test_optaxs_optimizers_run_with_an_exact_replica(name):
    weights = {"w": jax.random.normal(KEY, (3, 4)), "v": jnp.ones(4)}
    loss = lambda p, x: jnp.mean((jnp.tanh(x @ p["w"]) @ p["v"] - 1) ** 2)  # noqa: E731
    found = run(*ensemble_of(NAMED[name], weights, loss=loss))
    assert (found.records["distance"][:, 1] == 0).all()
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a[0] - b).max()), found.ensemble.state.params, weights)
    assert max(jax.tree.leaves(moved)) > 0 and np.isfinite(found.records["distance"]).all()


@pytest.mark.parametrize("name", CHOSEN)
def test_optaxs_optimizers_give_the_same_bits_on_one_and_two_devices(name):
    weights = {"w": jax.random.normal(KEY, (3, 40)), "v": jnp.ones((40, 2))}
    loss = lambda p, x: jnp.mean((jnp.tanh(x @ p["w"]) @ p["v"] - 1) ** 2)  # noqa: E731
    dynamics, ensemble = ensemble_of(NAMED[name], weights, loss=loss, num_seeds=5)
    ends = [run(dynamics, ensemble, member_tile=2, mesh=mesh).ensemble.state for mesh in (None, pathjax.member_mesh(2))]
    for pair in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_array_equal(*[jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in pair])


def is_key(leaf):  # noisy_sgd keeps one in its state
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def test_what_wraps_an_optimizer_passes_on_what_it_needs():
    ascent = optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05), opaque_mode=True)
    bare, clipped, masked = end(ascent), end(optax.chain(optax.clip(1e9), ascent)), end(optax.masked(ascent, True))
    np.testing.assert_array_equal(bare, clipped)
    np.testing.assert_array_equal(bare, masked)
    assert np.isfinite(end(optax.chain(optax.clip(1.0), optax.lbfgs()))).all()


def test_integers_of_an_optimizer_stay_integers():
    def floored(g, w=None):
        return -((g * 256).astype(jnp.int32) // 4).astype(jnp.float32) / 64

    found = end(optax.stateless(floored), loss=lambda w, x: 0.5 * jnp.sum(w**2))
    assert (np.asarray(found[0]) * 64 == np.round(np.asarray(found[0]) * 64)).all()

    def counting(by):
        def update(g, s, w=None):
            return jax.tree.map(lambda a: -0.1 * a, g), s + by

        return optax.GradientTransformation(lambda w: jnp.zeros((), jnp.int32), update)

    assert run(*ensemble_of(counting(1))).ensemble.state.opt_state.tolist() == [5] * 4
    assert_rejected("changes a part of its state from int32 to float32: keep its type", counting(0.5))


def test_weights_may_be_any_registered_class():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(eq=False)
    class Weights:
        a: jax.Array

    found = end(optax.adam(0.1), Weights(jnp.ones(3)), loss=lambda p, x: mse(p.a, x))
    np.testing.assert_array_equal(found.a, end(optax.adam(0.1)))


WRAPPERS = [lambda o: optax.MultiSteps(o, 2).gradient_transformation(), lambda o: optax.apply_if_finite(o, 3)]


@pytest.mark.parametrize("wrap", WRAPPERS, ids=["multi_steps", "if_finite"])
def test_divisions_inside_control_flow_give_the_same_bits_on_two_devices(wrap):
    weights = {"w": jax.random.normal(KEY, (3, 40)), "v": jnp.ones((40, 2))}
    loss = lambda p, x: jnp.mean((jnp.tanh(x @ p["w"]) @ p["v"] - 1) ** 2)  # noqa: E731
    dynamics, ensemble = ensemble_of(wrap(optax.adam(0.01)), weights, loss=loss, num_seeds=5)
    ends = [run(dynamics, ensemble, member_tile=2, mesh=mesh).ensemble.state for mesh in (None, pathjax.member_mesh(2))]
    for a, b in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_array_equal(a, b)


def test_adam_in_bfloat16_stays_finite_and_follows_float32():
    loss = lambda w, x: mse(w.astype(jnp.float32), x)  # noqa: E731
    given = {"hparams": {"b2": 0.999}, "loss": loss}
    found = {
        dtype: end(lambda h: optax.adam(0.05, b2=h["b2"]), jnp.ones(3, dtype), **given)
        for dtype in ("bfloat16", "float32")
    }
    np.testing.assert_allclose(*(np.asarray(a[0], np.float32) for a in found.values()), atol=0.02)
