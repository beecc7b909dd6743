"""The replica is exact also where a product has one row, one column or one summand, for odd widths."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax


def end_of(batch_size, sizes, num_seeds, dtype, options):
    key = jax.random.key(0)
    keys = jax.random.split(key, 4)
    inputs = jax.random.normal(keys[0], (20, sizes[0]), dtype)
    targets = jax.random.normal(keys[1], (20, sizes[2]), dtype)
    params = {"w": jax.random.normal(keys[2], sizes[:2], dtype), "v": jax.random.normal(keys[3], sizes[1:], dtype)}

    def loss_fn(p, examples):
        return jnp.mean((jnp.tanh(examples[0] @ p["w"]) @ p["v"] - examples[1]) ** 2)

    dynamics = pathjax.training_dynamics(loss_fn, optax.adam(0.02))
    made = {"epsilons": [0.1], "num_seeds": num_seeds}
    ensemble = pathjax.perturbed_ensemble(key, dynamics, params, pathjax.on_sphere(), **made)
    schedule = pathjax.batch_schedule(key, 20, batch_size, num_steps=20)
    measures = [pathjax.observables.weight_distance()]
    options = pathjax.RolloutOptions(**options)
    found = pathjax.rollout(dynamics, ensemble, (inputs, targets), schedule, measures, options=options)
    assert np.isfinite(found.records["distance"]).all() and (found.records["distance"][-1, 3:] > 0).all()
    return found.records["distance"], found.ensemble.state.params


FAST = [(1, (17, 3, 2), "float64"), (10, (1, 5, 3), "float32")]
SIZES = [(1, (5, 3, 2)), (1, (17, 13, 5)), (10, (1, 3, 1)), (10, (1, 13, 3)), (7, (3, 5, 1)), (1, (1, 5, 1))]
MORE = [pytest.param(*sizes, dtype, marks=pytest.mark.slow) for sizes in SIZES for dtype in ("float32", "float64")]


@pytest.mark.parametrize(("batch_size", "sizes", "dtype"), [*FAST, *MORE])
def test_the_replica_is_exact_for_any_number_of_members(x64, batch_size, sizes, dtype):
    distance, params = end_of(batch_size, sizes, 4, dtype, {})
    assert (distance[:, 1] == 0).all()
    more, others = end_of(batch_size, sizes, 20, dtype, {"member_tile": None})
    assert (more[:, 1] == 0).all()
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[:7]), params, others)  # 16 more change no bit


def test_the_replica_is_exact_on_several_devices():
    distance, _ = end_of(1, (5, 3, 2), 9, "float32", {"mesh": pathjax.member_mesh(2)})
    assert (distance[:, 1] == 0).all()
