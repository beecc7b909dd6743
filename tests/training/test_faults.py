"""What users pass by mistake is one clear line; what would be wrong silently is right or refused."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import pathjax
from pathjax.core.types import State
from pathjax.interventions import intervened, of_hyperparameter, of_weights
from pathjax.interventions.base import Intervention

KEY = jax.random.key(0)
INPUTS = jax.random.normal(KEY, (8, 3))
SCHEDULE = pathjax.batch_schedule(KEY, 8, batch_size=4, num_steps=5)


def mse(w, x):
    return jnp.mean((x @ w) ** 2)


def wide_mse(w, x):
    return mse(w.astype(jnp.float32), x)


def ensemble_of(optimizer, weights=None, perturbation=None, loss=mse, flags=None, **options):
    dynamics = pathjax.training_dynamics(loss, optimizer, **(flags or {}))
    weights = jnp.ones(3) if weights is None else weights
    options = {"epsilons": [0.1], "num_seeds": 1} | options
    return dynamics, pathjax.perturbed_ensemble(KEY, dynamics, weights, perturbation or pathjax.on_sphere(), **options)


def run(dynamics, ensemble, observables=(), **options):
    chosen = [pathjax.observables.weight_distance(), *observables]
    return pathjax.rollout(dynamics, ensemble, INPUTS, SCHEDULE, chosen, options=pathjax.RolloutOptions(**options))


def end(*args, **options):
    return run(*ensemble_of(*args, **options)).ensemble.state.params


def rejected(match, *args, **options):
    with pytest.raises(pathjax.InputError, match=match) as error:
        end(*args, **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 420


# Losses


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, x: (mse(w, x), jnp.float32(0.9)),
        lambda w, x: [mse(w, x), mse(w, x)],
        lambda w, x: {"loss": mse(w, x)},
    ],
    ids=["pair", "list", "dict"],
)
def test_a_loss_with_auxiliary_results_is_rejected(loss):
    rejected("loss_fn returned a (tuple|list|dict): return the loss alone", optax.sgd(0.1), loss=loss)


@pytest.mark.parametrize("shape", [(3,), (5,), (1,), (4, 2), (0,)])
def test_a_loss_of_another_length_than_the_batch_is_rejected(shape):
    rejected(r"for 4 examples: expected", optax.sgd(0.1), loss=lambda w, x: jnp.zeros(shape) + mse(w, x))


def test_a_loss_that_takes_other_arguments_is_one_line():
    noisy = lambda w, x, key: mse(w, x + jax.random.normal(key, x.shape))  # noqa: E731
    rejected(r"loss_fn\(params, examples\) failed .*set model_state, stochastic", optax.sgd(0.1), loss=noisy)
    rejected(r"loss_fn\(params, examples, key\) failed", optax.sgd(0.1), loss=mse, flags={"stochastic": True})
    rejected("which has no gradient", optax.sgd(0.1), loss=lambda w, x: jnp.int32(3))
    rejected("loss_fn returned a NoneType", optax.sgd(0.1), loss=lambda w, x: None)


# Optimizers


def test_what_is_no_optimizer_is_one_line():
    rejected(r"an optax optimizer such as optax.adam\(1e-3\)", optax.adam)
    rejected(r"optimizer\(hparams\) failed \(KeyError: 'lr'\).*given: none", lambda h: optax.sgd(h["lr"]))
    rejected(r"optimizer\(hparams\) returned a float", lambda h: 0.1, hparams={"lr": 0.1})
    rejected("optimizer must be an optax optimizer", 0.1)
    changing = optax.GradientTransformation(lambda w: jnp.zeros(2), lambda g, s, w=None: (g, jnp.zeros(3)))
    rejected("changes the structure or the shapes of its state", changing)


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


FEW = ("adam", "lbfgs", "momo", "momentum", "polyak_sgd", "radam")
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
    for a, b in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_array_equal(a, b)


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
    rejected("changes a part of its state from int32 to float32: keep its type", counting(0.5))


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


def test_microbatches_of_half_precision_are_summed_in_single_precision():
    inputs = jnp.ones((1024, 3))
    schedule = pathjax.batch_schedule(KEY, 1024, 1024, num_steps=2)
    loss = lambda w, x: jnp.mean(x @ w.astype(jnp.float32))  # noqa: E731
    for size in (None, 1):
        given = (optax.sgd(0.5), jnp.array([1.0, 2, 3], jnp.bfloat16))
        dynamics, ensemble = ensemble_of(*given, loss=loss, flags={"microbatch": size})
        found = pathjax.rollout(dynamics, ensemble, inputs, schedule, []).ensemble.state.params[0]
        assert found.tolist() == [0, 1, 2]


# Weights


def test_weights_that_cannot_be_trained_are_rejected():
    rejected("contain 'layers/0/weight' of|contain '.*' of type", optax.sgd(0.1), eqx.nn.MLP(3, 1, 4, 1, key=KEY))
    rejected("'w' of type complex64: pass real and imaginary", optax.sgd(0.1), {"w": jnp.ones(3) * 1j})
    rejected("complex64", optax.sgd(0.1), {"w": jnp.ones(3), "c": jnp.ones(3) * 1j})
    rejected("'w' contain NaN or infinite", optax.sgd(0.1), {"w": jnp.array([1.0, jnp.nan, 1.0])})
    rejected("'params' contain NaN or infinite", optax.sgd(0.1), jnp.array([1.0, jnp.inf, 1.0]))
    rejected("has values that float32 cannot hold", optax.sgd(0.1), np.array([1e300, 1, 1]))
    rejected("has values that float32 cannot hold", optax.sgd(0.1), np.array([1e-60, 1, 1]))
    rejected("has values that int32 cannot hold", optax.sgd(0.1), {"w": np.ones(3), "n": np.array([2**40])})
    rejected("contain 'params' of type ndarray", optax.sgd(0.1), np.array([None, 1, 1]))
    rejected("the weights have no leaves", optax.sgd(0.1), {})
    start = pathjax.Network(jnp.ones(3), {"f": jnp.tanh})
    rejected("model_state contain 'f' of type", optax.sgd(0.1), start, flags={"model_state": True})
    start = pathjax.Network(jnp.ones(3), 1j * jnp.ones(3))
    rejected("model_state contain 'model_state' of type complex64", optax.sgd(0.1), start, flags={"model_state": True})


def test_independent_networks_have_the_types_of_the_baseline(x64):
    match = "independent networks have a leaf of type float64; expected float32"
    rejected(match, optax.sgd(0.1), jnp.ones(3, jnp.float32), independent=np.ones((2, 3)))


def test_weights_with_a_key_named_params_and_variables_of_other_kinds_are_trained():
    loss = lambda p, x: mse(p["params"]["w"], x) * p["scale"]  # noqa: E731
    end(optax.sgd(0.1), {"params": {"w": jnp.ones(3)}, "scale": jnp.ones(())}, pathjax.gaussian(), loss)

    class Own(nnx.Variable):
        pass

    class Model(nnx.Module):
        def __init__(self):
            self.w = Own(jnp.ones(3))

    graph, weights = nnx.split(Model(), Own)
    found = end(optax.sgd(0.1), weights, loss=lambda p, x: mse(nnx.merge(graph, p).w[...], x))
    np.testing.assert_array_equal(jax.tree.leaves(found)[0], end(optax.sgd(0.1)))
    nested = {"enc": {"params": {"w": jnp.ones(3)}, "batch_stats": {"mean": jnp.ones(3)}}}
    rejected("the linen collections batch_stats", optax.sgd(0.1), nested)


def test_variables_that_are_not_parameters_are_rejected():
    class Normalized(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.BatchNorm(use_running_average=False)(linen.Dense(1)(x))

    variables = Normalized().init(KEY, INPUTS)
    loss = lambda v, x: mse(v["params"]["Dense_0"]["kernel"][:, 0], x)  # noqa: E731
    rejected(
        "the linen collections batch_stats, which are not trained: pass pathjax.Network",
        optax.sgd(0.1),
        variables,
        loss=loss,
    )

    class Dropped(nnx.Module):
        def __init__(self, rngs):
            self.linear, self.dropout = nnx.Linear(3, 1, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    for module, kind in ((Dropped(nnx.Rngs(0)), "RngCount|RngKey"), (nnx.BatchNorm(3, rngs=nnx.Rngs(0)), "BatchStat")):
        _, weights = nnx.split(module)
        rejected(f"an nnx.({kind}), which is not trained: split it off", optax.sgd(0.1), weights)


def test_a_state_that_is_missing_or_that_nothing_takes_is_rejected():
    with_state = lambda w, s, x: (mse(w, x), s)  # noqa: E731
    rejected("there is none: pass pathjax.Network", optax.sgd(0.1), loss=with_state, flags={"model_state": True})
    rejected("the loss takes none: set model_state=True", optax.sgd(0.1), pathjax.Network(jnp.ones(3), jnp.zeros(2)))
    for change, match in (
        (lambda s: (mse, s), "loss_fn returned a function"),
        (lambda s: (1.0, s.astype(jnp.int32)), r"changed model_state from float32\[2\] to int32\[2\]"),
        (lambda s: (1.0, jnp.zeros(3)), r"from float32\[2\] to float32\[3\]"),
        (lambda s: (1.0, {"a": s}), "from the structure"),
        (lambda s: 1.0, r"must return \(loss, new_model_state\)"),
    ):
        start = pathjax.Network(jnp.ones(3), jnp.zeros(2))
        rejected(match, optax.sgd(0.1), start, loss=lambda w, s, x, f=change: f(s), flags={"model_state": True})


@pytest.mark.parametrize("size", [1e-30, 1e-25, 1e-15, 1e15, 1e25])
@pytest.mark.parametrize("kind", ["sphere", "gaussian"])
def test_weights_of_any_size_are_perturbed_by_epsilon(size, kind):
    weights = {"a": size * jax.random.normal(KEY, (40, 5)), "b": size * jnp.ones(60)}
    kinds = {"sphere": pathjax.on_sphere(), "gaussian": pathjax.gaussian(per_leaf=True, relative=True)}
    _, ensemble = ensemble_of(optax.sgd(0.1), weights, kinds[kind], loss=lambda p, x: 0.0, epsilons=[1e-3])
    for name, leaf in weights.items():
        start, moved = (np.asarray(a, np.float64) for a in (leaf, ensemble.state.params[name][3]))
        assert abs(np.linalg.norm(moved - start) / np.linalg.norm(start) / 1e-3 - 1) < 1e-4


# Types


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(
    "dtype", [jnp.bfloat16, *(pytest.param(t, marks=pytest.mark.slow) for t in ("float16", "float32"))]
)
def test_weights_keep_their_types_leaf_by_leaf(dtype, x64):
    with jax.enable_x64(x64):
        weights = {"a": jax.random.normal(KEY, (3, 20)).astype(dtype), "b": jnp.ones(20, jnp.float32)}
        loss = lambda p, x: jnp.mean((x.astype(jnp.float32) @ p["a"].astype(jnp.float32) + p["b"][None]) ** 2)  # noqa: E731
        types = jax.tree.map(lambda leaf: leaf.dtype, weights)
        for kind in (pathjax.on_sphere(), pathjax.gaussian(), pathjax.on_sphere(per_leaf=False)):
            dynamics, ensemble = ensemble_of(optax.adam(0.01), weights, kind, loss, epsilons=[0.2])
            assert jax.tree.map(lambda leaf: leaf.dtype, ensemble.state.params) == types
            found = run(intervened(dynamics, {"kick": of_weights(kind)}), ensemble)
            assert jax.tree.map(lambda leaf: leaf.dtype, found.ensemble.state.params) == types
            state = State(weights, (), {}, 0)
            moved = of_weights(kind).on_state(KEY, state, None, 0.2).params
            assert jax.tree.map(lambda leaf: leaf.dtype, moved) == types
            start, away = (np.asarray(tree["b"], np.float64) for tree in (weights, moved))
            assert np.linalg.norm(away - start) > 0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64])
def test_the_roundoff_member_is_one_ulp_of_its_leaf_away(x64, dtype):
    weights = {"a": jnp.ones((3, 20), jnp.float32), "b": jnp.full(20, 1.5, dtype)}
    _, ensemble = ensemble_of(optax.sgd(0.1), weights, loss=lambda p, x: 0.0)
    leaf = ensemble.state.params["b"]
    away = np.asarray(leaf[2], np.float64) - np.asarray(leaf[0], np.float64)
    assert leaf.dtype == dtype and sorted(away)[-1] == float(jnp.finfo(dtype).eps) and np.count_nonzero(away) == 1


def test_hyperparameters_are_floats_of_at_least_32_bits():
    for weights in (jnp.ones(3, jnp.bfloat16), jnp.ones(3)):
        dynamics, ensemble = ensemble_of(
            lambda h: optax.sgd(h["lr"]), weights, loss=lambda w, x: mse(w.astype(jnp.float32), x), hparams={"lr": 1}
        )
        swept = pathjax.sweep(dynamics, ensemble, [{"lr": 0.03}, {"lr": 0.1}])
        np.testing.assert_array_equal(swept.state.hparams["lr"][:, 0], np.float32([0.03, 0.1]))
        changed = of_hyperparameter("lr").on_state(None, jax.tree.map(lambda a: a[0], ensemble.state), None, 0.5)
        assert float(changed.hparams["lr"]) == 1.5
    for wrong, match in (
        ("x", "must be one number, not 'x'"),
        (True, "must be one number, not True"),
        (2**24 + 1, "16777217 would become 16777216.0"),
        (1e39, "1e[+]39 would become inf"),
        (1e-60, "1e-60 would become 0.0"),
        (jnp.ones(2), r"an array of shape \(2,\)"),
        (None, "not None"),
        (10**400, "an integer of too many digits would become inf"),
        (np.array("x"), "and type <U1"),
    ):
        rejected(match, lambda h: optax.sgd(h["lr"]), hparams={"lr": wrong})


def test_adam_in_bfloat16_stays_finite_and_follows_float32():
    loss = lambda w, x: mse(w.astype(jnp.float32), x)  # noqa: E731
    given = {"hparams": {"b2": 0.999}, "loss": loss}
    found = {
        dtype: end(lambda h: optax.adam(0.05, b2=h["b2"]), jnp.ones(3, dtype), **given)
        for dtype in ("bfloat16", "float32")
    }
    np.testing.assert_allclose(*(np.asarray(a[0], np.float32) for a in found.values()), atol=0.02)


def test_settings_of_a_sweep_that_cannot_be_are_one_line(x64):
    given = {"hparams": {"lr": 0.1}}
    dynamics, ensemble = ensemble_of(lambda h: optax.sgd(h["lr"]), jnp.ones(3, jnp.float32), **given)
    for wrong, match in (
        ([0.1, 0.2], "settings must be a list of dicts"),
        ({"lr": [0.1]}, "settings must be a list of dicts"),
        ([{"lr": jnp.float64(1e-60)}], "1e-60 would become 0.0"),
    ):
        with pytest.raises(pathjax.InputError, match=match):
            pathjax.sweep(dynamics, ensemble, wrong)
    with pytest.raises(pathjax.InputError, match="must have the same kinds of state"):
        pathjax.stack_ensembles([ensemble, pathjax.with_noise(ensemble)])


# Observables and interventions


def variable(name="mine", dims=()):
    return pathjax.Variable(name, dims, "1", "mine")


def observable(read, *variables, **options):
    return pathjax.Observable(lambda s: (), lambda c, s: (c, read(s)), None, 1, "member", variables, **options)


@pytest.mark.parametrize(
    ("one", "match"),
    [
        (observable(lambda s: {"mine": s.state.params}, variable()), r"recorded 'mine' with shape \(3,\)"),
        (observable(lambda s: {"other": 1.0}, variable()), "declares"),
        (observable(lambda s: 1.0, variable()), "must return a dict"),
        (observable(lambda s: {"mine": s.nothing}, variable()), "the observable 'mine' failed .AttributeError"),
        (observable(lambda s: {"step": 1.0}, variable("step")), "records 'step'; choose"),
        (observable(lambda s: {"role": 1.0}, variable("role")), "records 'role'; choose"),
        (observable(lambda s: {"step_10": 1.0}, variable("step_10")), "records 'step_10'; choose"),
        (observable(lambda s: {"layer/0": 1.0}, variable("layer/0")), "records 'layer/0'; choose"),
        (observable(lambda s: {"mine": s.state.params}, variable(dims=("member",))), "has the dimension 'member'"),
        (
            observable(lambda s: {"mine": s.state.params}, variable(dims=("mine",))),
            "is both a variable and a dimension",
        ),
        (observable(lambda s: {"mine": s.state.params}, variable(dims=("leaf",))), "3 entries along 'leaf', but .* 1"),
        (
            observable(lambda s: {"mine": s.state.params}, variable(dims=("a",)), coords=(("a", (1, 2)),)),
            "3 entries along 'a', but its labels 2",
        ),
        (
            observable(
                lambda s: {"mine": s.state.params, "two": s.state.params[:2]},
                variable(dims=("a",)),
                variable("two", ("a",)),
            ),
            "'two' has 2 entries along 'a', but 'mine' 3",
        ),
    ],
)
def test_records_that_could_not_be_saved_are_rejected_before_the_run(one, match):
    with pytest.raises(pathjax.InputError, match=match) as error:
        run(*ensemble_of(optax.sgd(0.1)), [one])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: None, "on_state of 'mine' returned a NoneType"),
        (lambda state: state.nothing, "on_state of 'mine' failed .AttributeError"),
        (lambda state: state._replace(params=state.params.astype(jnp.bfloat16)), r"changed params from float32\[3\]"),
        (lambda state: state._replace(params=state.params[:2]), r"changed params from float32\[3\] to float32\[2\]"),
        (lambda state: state._replace(step=state.step + 1), "'mine' changes step"),
    ],
)
def test_an_intervention_that_returns_something_else_is_one_line(change, match):
    plain = pathjax.training_dynamics(mse, optax.sgd(0.1))
    dynamics = intervened(plain, {"mine": Intervention(lambda key, state, batch, epsilon: change(state), None)})
    grid = pathjax.InterventionGrid(at_steps=[1], epsilons=[0.1], num_seeds=1)
    ensemble = pathjax.intervened_ensemble(KEY, dynamics, jnp.ones(3), "mine", grid)
    with pytest.raises(pathjax.InputError, match=match) as error:
        run(dynamics, ensemble)
    assert "\n" not in str(error.value)


# Bits


@pytest.mark.parametrize("kind", [pathjax.on_sphere(), pathjax.on_sphere(per_leaf=False), pathjax.gaussian()])
def test_more_seeds_and_epsilons_change_no_bit_of_other_members(kind):
    weights = {"a": jax.random.normal(KEY, (37, 27)), "b": jax.random.normal(KEY, (11,))}
    loss = lambda p, x: 0.0  # noqa: E731
    weights["c"] = jax.random.normal(KEY, (3,)).astype(jnp.bfloat16)
    few = ensemble_of(optax.sgd(0.1), weights, kind, loss, epsilons=[0.1], num_seeds=2)[1]
    many = ensemble_of(optax.sgd(0.1), weights, kind, loss, epsilons=[0.1, 0.2], num_seeds=7)[1]
    for name in weights:
        np.testing.assert_array_equal(few.state.params[name][:5], many.state.params[name][:5])


def test_more_seeds_change_no_bit_of_a_network_of_usual_size():
    sizes = [(784, 128), (128,), (128, 64), (64,), (64, 10), (10,)]
    weights = {str(i): jax.random.normal(KEY, size) for i, size in enumerate(sizes)}
    one, two, many = (
        ensemble_of(optax.sgd(0.1), weights, loss=lambda p, x: 0.0, num_seeds=n)[1].state.params for n in (1, 2, 9)
    )
    for name in weights:
        np.testing.assert_array_equal(one[name][:4], many[name][:4])
        np.testing.assert_array_equal(two[name][:5], many[name][:5])
