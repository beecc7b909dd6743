"""Members with noise of their own: labels, indices, and what becomes of them in files and figures."""

import itertools

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pytest
from matplotlib.figure import Figure

import pathjax
from pathjax import observables as obs
from pathjax.engine.rollout import member_states
from pathjax.interventions import intervened, of_noise
from pathjax.io.to_xarray import to_dataset
from pathjax.plots.distance import distance
from tests.helpers import batch_norm

matplotlib.use("agg")
KEY = jax.random.key(0)
EXAMPLES = (batch_norm.INPUTS, batch_norm.LABELS)


def noisy(w, x, key):
    return jnp.mean((w - jax.random.normal(key, w.shape)) ** 2) + jnp.mean(x) * 0


DYNAMICS = pathjax.training_dynamics(noisy, optax.sgd(0.1), stochastic=True)


def perturbed(**options):
    options = {"epsilons": [0.01, 0.1], "num_seeds": 3} | options
    return pathjax.perturbed_ensemble(KEY, DYNAMICS, jnp.ones(50), pathjax.on_sphere(), **options)


def test_seeds_share_their_noise_over_epsilons_and_others_have_their_own():
    ensemble = pathjax.with_noise(perturbed(independent=jnp.ones((2, 50))), num_members=2)
    noise, members = np.asarray(ensemble.state.noise), ensemble.members
    assert members.role.tolist() == [
        *("baseline", "replica", "roundoff"),
        *["perturbed"] * 6,
        *["independent"] * 2,
        *["noise"] * 2,
    ]
    assert noise[:9].tolist() == [0, 0, 0, 1, 2, 3, 1, 2, 3] and noise[11:].tolist() == [1, 2]
    assert len(set(noise[9:11].tolist()) - set(noise[:9].tolist())) == 2
    assert members.epsilon[11:].tolist() == [0, 0] and members.seed[11:].tolist() == [0, 1]
    shared = pathjax.with_noise(perturbed(), num_members=2, shared=True)
    assert not np.asarray(shared.state.noise).any()


def test_maps_draw_it_too_and_a_loss_without_a_key_is_refused():
    walk = pathjax.map_dynamics(lambda x, batch: x + jax.random.normal(batch.key, x.shape))
    made = {"epsilons": [0.1], "num_seeds": 2}
    schedule = pathjax.batch_schedule(KEY, 8, 4, num_steps=5)
    ensemble = pathjax.perturbed_ensemble(KEY, walk, jnp.ones(3), pathjax.gaussian(), **made)
    measures = [pathjax.observables.weight_distance()]
    found = pathjax.rollout(walk, pathjax.with_noise(ensemble, 2), jnp.ones(8), schedule, measures)
    assert (found.records["distance"][-1, 5:] > 0.5).all() and (found.records["distance"][:, 1] == 0).all()
    quiet = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    ensemble = pathjax.perturbed_ensemble(KEY, quiet, jnp.ones(3), pathjax.gaussian(), **made)
    with pytest.raises(pathjax.InputError, match="the loss takes no key: set stochastic=True"):
        pathjax.rollout(quiet, pathjax.with_noise(ensemble, 2), jnp.ones(8), schedule, measures)


def test_noise_is_added_once_and_before_a_sweep():
    dynamics = pathjax.training_dynamics(noisy, lambda h: optax.sgd(h["rate"]), stochastic=True)
    made = {"epsilons": [0.1], "num_seeds": 1, "hparams": {"rate": 0.1}}
    ensemble = pathjax.perturbed_ensemble(KEY, dynamics, jnp.ones(50), pathjax.on_sphere(), **made)
    swept = pathjax.sweep(dynamics, ensemble, [{"rate": 0.1}, {"rate": 0.2}])
    for wrong, match in ((swept, "add noise before the sweep"), (pathjax.with_noise(ensemble), "has noise already")):
        with pytest.raises(pathjax.InputError, match=match):
            pathjax.with_noise(wrong)
    with pytest.raises(pathjax.InputError, match="num_members must be 0 or more"):
        pathjax.with_noise(ensemble, -1)
    with_own = pathjax.sweep(dynamics, pathjax.with_noise(ensemble, 1), [{"rate": 0.1}, {"rate": 0.2}])
    assert with_own.state.noise.tolist() == [[0, 0, 0, 1, 1]] * 2


def test_the_noise_members_are_the_limit_of_small_epsilons_and_are_drawn():
    ensemble = pathjax.with_noise(perturbed(epsilons=[1e-4, 0.1]), num_members=3)
    schedule = pathjax.batch_schedule(KEY, 8, 4, num_steps=30)
    observables = [pathjax.observables.weight_distance()]
    found = pathjax.rollout(DYNAMICS, ensemble, jnp.ones(8), schedule, observables)
    distances = found.records["distance"]
    # The map contracts, so a member stays within epsilon |w| of the member with the same noise.
    np.testing.assert_allclose(distances[-1, 3:6], distances[-1, 9:], rtol=0, atol=1e-4 * 50**0.5)
    trajectory = to_dataset(found)
    axes = Figure().subplots()
    distance(axes, trajectory)
    legend = axes.figure.legends or [axes.get_legend()]
    assert "noise alone" in [text.get_text() for one in legend for text in one.get_texts()]


@pytest.mark.slow
@pytest.mark.parametrize("num_devices", [2, 4])
def test_own_noise_gives_the_same_bits_on_any_number_of_devices_resumed_or_not(num_devices):
    dynamics, start, _, _ = batch_norm.model(0.5)
    members = pathjax.with_noise(batch_norm.ensemble(dynamics, start), num_members=3)
    measures = [obs.weight_distance(every=4)]

    def run(mesh=None, **more):
        options = pathjax.RolloutOptions(member_tile=2, mesh=mesh, chunk_length=4)
        return pathjax.rollout_chunks(
            dynamics, members, EXAMPLES, batch_norm.SCHEDULE, measures, options=options, **more
        )

    *_, alone = run()
    stopped = list(itertools.islice(run(pathjax.member_mesh(num_devices)), 2))[-1]
    *_, resumed = run(pathjax.member_mesh(num_devices), resume=(stopped.step, stopped.loop))
    *_, together = run(pathjax.member_mesh(num_devices))
    with pytest.raises(pathjax.InputError, match="the state to resume from is gone"):
        next(run(pathjax.member_mesh(num_devices), resume=(stopped.step, stopped.loop)))
    states = [member_states(members, chunk.loop) for chunk in (alone, together, resumed)]
    for other in states[1:]:
        for a, b in zip(jax.tree.leaves(states[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    weights = states[0].params["Dense_0"]["kernel"]
    assert (weights[0] == weights[1]).all() and len({leaf.tobytes() for leaf in np.asarray(weights)}) == 7


@pytest.mark.slow
def test_the_kind_of_noise_is_an_axis_and_an_intervention():
    dynamics, start, _, _ = batch_norm.model(0.5)
    dynamics = intervened(dynamics, {"noise": of_noise()})
    grid = pathjax.InterventionGrid(at_steps=[4], epsilons=[1.0], num_seeds=2)
    later = pathjax.intervened_ensemble(KEY, dynamics, start, "noise", grid, hparams={"decay": 0.0})
    kinds = [pathjax.with_noise(later, shared=True), pathjax.with_noise(later)]
    swept = pathjax.stack_ensembles(kinds)
    found = pathjax.rollout(dynamics, swept, EXAMPLES, batch_norm.SCHEDULE, [obs.weight_distance()])
    shared, own = np.moveaxis(found.records["distance"], 1, 0)
    assert (shared[:5, 3:] == 0).all() and (shared[5:, 3:] > 0).all() and (shared[:, 1] == 0).all()
    assert (own[1:, 3:] > 0).all() and (own[:, 1] == 0).all()
    with pytest.raises(pathjax.InputError, match="make the ensemble with pathjax.with_noise"):
        pathjax.rollout(dynamics, later, EXAMPLES, batch_norm.SCHEDULE, [obs.weight_distance()])
