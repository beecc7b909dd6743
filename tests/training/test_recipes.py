"""The recipes of docs/recipes.md against plain loops without pathjax, member by member."""

import functools
import pathlib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from pathjax.core import trees
from tests.helpers.losses_by_hand import BY_HAND, plain

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "recipes.md"
NUM_STEPS, BATCH = 20, 10


def sections():
    """The code blocks under each heading, in order."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    texts = zip(["Setup", *parts[1::2]], [parts[0], *parts[2::2]], strict=True)
    return {name: re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) for name, text in texts}


@functools.cache
def recipes(x64=False, last=None):
    """What the page defines, after each section until the last."""
    space: dict[str, Any] = {}
    after: dict[str, dict] = {}
    with jax.enable_x64(x64), jax.numpy_rank_promotion("allow"):
        for name, blocks in sections().items():
            space = dict(space)  # a name that a later section redefines stays as it is for this one
            for block in blocks:
                exec(compile(block, str(PAGE), "exec"), space)
            after[name] = space
            if name == last:
                break
    return after


@pytest.fixture(autouse=True)
def in_float64(x64):
    with jax.numpy_rank_promotion("allow"):
        yield


def in_double(tree):
    return jax.tree.map(lambda leaf: leaf.astype(np.float64) if trees.is_float(leaf) else leaf, tree)


def recipe(name):
    """What the page defines. Equinox's state must be made in float64; linen's GRU cannot be."""
    return recipes(True, name)[name] if name.startswith("Equinox") else recipes()[name]


def begin(name, own_noise=False):
    """The recipe's dynamics, with an ensemble, examples and a schedule."""
    space = recipe(name)
    start = in_double(space["start"])
    given = {"epsilons": [0.01, 0.1], "num_seeds": 1}
    ensemble = pathjax.perturbed_ensemble(space["key"], space["dynamics"], start, pathjax.on_sphere(), **given)
    if own_noise:
        ensemble = pathjax.with_noise(ensemble, num_members=2)
    examples = (in_double(space["inputs"]), space["labels"])
    schedule = pathjax.batch_schedule(space["key"], len(examples[1]), BATCH, num_steps=NUM_STEPS)
    return space["dynamics"], ensemble, examples, schedule


class Plain(NamedTuple):
    """A loop as its author would write it: `update(gradients, opt_state, weights, **of_batch)` and the first state."""

    optimizer: optax.GradientTransformation = optax.sgd(0.1)
    has_state: bool = False
    has_key: bool = False
    extra: Any = lambda value, gradients, value_fn: {}
    tolerance: float = 1e-9


EXTRAS = {"value": lambda v, g, f: {"value": v}, "all": lambda v, g, f: {"value": v, "grad": g, "value_fn": f}}


def sam_by_hand(gradients, state, weights, grad_fn):
    length = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradients)))
    there = jax.tree.map(lambda w, g: w + 0.05 * g / length, weights, gradients)
    return jax.tree.map(lambda g: -0.1 * g, grad_fn(there)), state


PLATEAU = optax.chain(optax.sgd(0.5), optax.contrib.reduce_on_plateau(factor=0.5, patience=2, rtol=0.02))
LOOPS = {
    "Linen batch normalization": Plain(has_state=True),
    "Linen dropout": Plain(has_key=True),
    "Equinox batch normalization": Plain(has_state=True),
    "Averaged weights": Plain(has_state=True),
    "GRU with a memory": Plain(has_state=True),
    "Two players": Plain(has_key=True),
    "L-BFGS": Plain(optax.lbfgs(memory_size=5), extra=EXTRAS["all"]),
    "Reduce on plateau": Plain(PLATEAU, extra=EXTRAS["value"]),
    "Sharpness-aware minimization": Plain(
        optax.GradientTransformationExtraArgs(lambda weights: (), sam_by_hand),
        extra=lambda v, g, f: {"grad_fn": jax.grad(f)},
    ),
    "Schedule-free": Plain(optax.contrib.schedule_free_sgd(0.2)),
    "Accumulation": Plain(optax.MultiSteps(optax.adam(0.02), every_k_schedule=4).gradient_transformation()),
    "Bfloat16": Plain(tolerance=1e-2),
    "Rematerialization": Plain(),
    "Auxiliary loss": Plain(optax.adam(0.01)),
}


def loss_of(name):
    """The loss by hand; of the page, where the library draws the noise or rounds to bfloat16."""
    loop, space = LOOPS[name], recipe(name)
    if loop.has_key or name == "Bfloat16":
        return space["loss_fn"]
    by_hand = BY_HAND.get(name, plain)
    return by_hand if loop.has_state else lambda weights, examples: by_hand(weights, None, examples)[0]


def trainer(loop, loss_fn, examples, schedule):
    """A plain loop of one member: `train(start, noise) -> (weights, state)`."""

    @jax.jit
    def one_step(weights, state, opt_state, batch, key):
        def mean(weights):
            more = ((state,) if loop.has_state else (), (batch,), (key,) if loop.has_key else ())
            found = loss_fn(weights, *sum(more, ()))
            loss, new = found if loop.has_state else (found, None)
            return jnp.mean(loss), new

        (value, new), gradients = jax.value_and_grad(mean, has_aux=True)(weights)
        extra = loop.extra(value, gradients, lambda weights: mean(weights)[0])
        updates, opt_state = loop.optimizer.update(gradients, opt_state, weights, **extra)
        return optax.apply_updates(weights, updates), new, opt_state

    def train(network, noise=0):
        weights, state = network
        opt_state = loop.optimizer.init(weights)
        for step, indices in enumerate(np.asarray(schedule.indices)):
            batch, key = jax.tree.map(lambda a, i=indices: a[i], examples), jax.random.fold_in(schedule.key, step)
            key = jax.random.fold_in(key, noise) if noise else key
            weights, state, opt_state = one_step(weights, state, opt_state, batch, key)
        return weights, state

    return train


def member(tree, m):
    return jax.tree.map(lambda leaf: leaf[m], tree)


def assert_close(found, expected, tolerance):
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=tolerance, atol=tolerance)


SLOW = (
    "Linen batch normalization",
    "Linen dropout",
    "Equinox batch normalization",
    "GRU with a memory",
    "L-BFGS",
    "Accumulation",
    "Auxiliary loss",
    "Bfloat16",
    "Rematerialization",
    "Schedule-free",
    "Reduce on plateau",
)  # optax's own, in a loop


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LOOPS])
def test_a_recipe_equals_a_plain_loop(name):
    dynamics, ensemble, examples, schedule = begin(name)
    loop = LOOPS[name]
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, [pathjax.observables.weight_distance()])
    assert (found.records["distance"][:, 1] == 0).all() and found.records["distance"][-1, 3] > 1e-4
    end, train = found.ensemble.state, trainer(loop, loss_of(name), examples, schedule)
    for m in (0, 3, 4):
        weights, state = train(member((ensemble.state.params, ensemble.state.model_state), m))
        assert_close(member(end.params, m), weights, loop.tolerance)
        if name != "Equinox batch normalization":  # which alone can read its state
            assert_close(member(end.model_state, m), state, loop.tolerance)


def test_each_of_two_players_follows_its_own_aim():
    space = recipe("Two players")
    players, key, x = in_double(space["start"]), jax.random.key(3), in_double(space["inputs"])
    noise = jax.random.normal(key, x.shape)

    def judge(critic, x):
        hidden = jnp.tanh(x @ critic["Dense_0"]["kernel"] + critic["Dense_0"]["bias"])
        return hidden @ critic["Dense_1"]["kernel"][:, 0] + critic["Dense_1"]["bias"][0]

    def aim_of_critic(critic):
        fake = judge(critic, jnp.tanh(noise @ players["generator"]))
        return (jax.nn.softplus(-judge(critic, x)) + jax.nn.softplus(fake)).mean()

    def aim_of_generator(generator):
        return jax.nn.softplus(-judge(players["critic"], jnp.tanh(noise @ generator))).mean()

    found = jax.grad(lambda players: space["loss_fn"](players, (x,), key).mean())(players)
    assert_close(found["critic"], jax.grad(aim_of_critic)(players["critic"]), 1e-12)
    assert_close(found["generator"], jax.grad(aim_of_generator)(players["generator"]), 1e-12)


@pytest.mark.slow
def test_members_with_noise_of_their_own_equal_plain_loops():
    name = "Linen dropout"
    dynamics, ensemble, examples, schedule = begin(name, own_noise=True)
    assert ensemble.members.role.tolist()[-2:] == ["noise", "noise"]
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, [pathjax.observables.weight_distance()])
    distance = found.records["distance"]
    assert (distance[:, 1] == 0).all() and (distance[0, 5:] == 0).all() and (distance[-1, 5:] > 0.01).all()
    train = trainer(LOOPS[name], loss_of(name), examples, schedule)
    for m, noise in enumerate((0, 0, 0, 1, 1, 1, 2)):
        expected = train(member((ensemble.state.params, None), m), noise)
        assert_close(member((found.ensemble.state.params, None), m), expected, 1e-9)


@pytest.mark.slow
def test_nnx_modules_equal_the_loop_with_the_stateful_module():
    from flax import nnx

    dynamics, ensemble, examples, schedule = begin("Nnx dropout")
    space = recipe("Nnx batch normalization")
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, [pathjax.observables.weight_distance()])
    assert (found.records["distance"][:, 1] == 0).all()
    for m in (0, 3):
        model = nnx.merge(space["graph"], *member((ensemble.state.params, ensemble.state.model_state), m))
        for indices in np.asarray(schedule.indices):

            def loss(model, i=indices):
                return jnp.mean(space["cross_entropy"](model(examples[0][i]), examples[1][i]))

            gradients = nnx.grad(loss)(model)
            nnx.update(model, jax.tree.map(lambda w, g: w - 0.1 * g, nnx.state(model, nnx.Param), gradients))
        end = found.ensemble.state
        assert_close(member(end.params, m), nnx.state(model, nnx.Param), 1e-9)
        model.eval()
        logits = space["predict"](*member((end.params, end.model_state), m), examples[0])
        np.testing.assert_allclose(logits, model(examples[0]), rtol=1e-9, atol=1e-9)


def test_every_recipe_has_at_most_eight_lines_and_a_row():
    table = PAGE.read_text().split("| you have")[1].split("\n\n")[0]
    others = {"Setup", "In a config"}  # the latter is run by tests/runner/test_own_network.py
    for name, blocks in sections().items():
        if name not in others:
            assert all(len([line for line in block.splitlines() if line.strip()]) <= 8 for block in blocks), name
    assert {"Noise of members' own", "Nnx dropout", "Nnx batch normalization", *LOOPS} == set(sections()) - others
    links = set(re.findall(r"\(#([\w-]+)\)", table))
    anchors = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in sections()}
    assert links <= anchors
