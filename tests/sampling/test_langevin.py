"""Langevin dynamics against the distributions that they sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import InputError
from pathjax.training.langevin import is_accepted, langevin_dynamics

KEY = jax.random.key(0)
STEEP = jnp.array([1.0, 4.0, 30.0])
H = {"inverse_temperature": 50.0, "localization": 2.0, "step_size": 1e-3, "step_decades": 2.0, "tuning_steps": 0.0}
PLAIN = {name: H[name] for name in ("inverse_temperature", "localization", "step_size")}


def bowl(w, x):
    return 0.5 * jnp.sum(STEEP * w**2)


def sampled(dynamics, hparams, num_chains=400, num_steps=400, loss_state=None):
    """The last weights of independent chains that start at 0."""
    start = pathjax.independent_ensemble(dynamics, jnp.zeros((1, 3)), hparams=hparams)
    chains = pathjax.with_noise(pathjax.fork(start, num_chains))
    schedule = pathjax.full_batch_schedule(1, num_steps)
    return pathjax.rollout(dynamics, chains, jnp.zeros(1), schedule, [obs.mean_loss(every=num_steps)])


def test_adjusted_chains_have_the_exact_variance_at_step_sizes_that_would_diverge():
    params = np.asarray(sampled(langevin_dynamics(bowl), H).ensemble.state.params)
    exact = 1 / np.sqrt(H["inverse_temperature"] * np.asarray(STEEP) + H["localization"])
    for one, scale in zip(params.T, exact, strict=True):
        assert stats.kstest(one / scale, "norm").pvalue > 1e-3
    assert H["step_size"] * 10 ** H["step_decades"] * (50 * 30 + 2) > 4  # beyond the stable step size


def test_no_impossible_proposal_is_accepted_in_many_draws():
    draw = jax.jit(jax.vmap(lambda key: is_accepted(key, jnp.float32(-1e30))))
    for seed in range(8):
        assert not draw(jax.random.split(jax.random.key(seed), 2**21)).any()


def test_proposals_are_accepted_with_their_probability():
    draw = jax.vmap(is_accepted, (0, None))
    for chance in (1.0, 0.3, 1e-3):
        accepted = int(draw(jax.random.split(KEY, 10_000), jnp.float32(np.log(chance))).sum())
        assert stats.binomtest(accepted, 10_000, chance).pvalue > 1e-3
    assert not is_accepted(KEY, jnp.float32(jnp.nan))


def test_steps_are_tuned_for_the_curvature():
    for steep in (1.0, 1e4):
        dynamics = langevin_dynamics(lambda w, x, steep=steep: 0.5 * steep * jnp.sum(w**2))
        start = pathjax.independent_ensemble(dynamics, jnp.zeros((1, 50)), hparams=H | {"tuning_steps": 200})
        chains = pathjax.with_noise(pathjax.fork(start, 40))
        found = pathjax.rollout(dynamics, chains, jnp.zeros(1), pathjax.full_batch_schedule(1, 200), [])
        sizes = np.exp(np.asarray(found.ensemble.state.opt_state.log_size)) * steep
        # The published optimum for many dimensions d is e h = 1.65^2 d^(-1/3).
        np.testing.assert_allclose(np.median(sizes), 1.65**2 * 50 ** (-1 / 3), rtol=0.35)


def test_unadjusted_chains_have_the_variance_of_the_discrete_process():
    hparams = PLAIN | {"step_size": 2e-3}
    params = np.asarray(sampled(langevin_dynamics(bowl, adjusted=False), hparams, 2000).ensemble.state.params)
    precision = 50 * np.asarray(STEEP) + 2
    # w' = (1 - e p / 2) w + sqrt(e) xi is stationary at this variance.
    variance = 1 / (precision * (1 - hparams["step_size"] * precision / 4))
    np.testing.assert_allclose(params.var(0), variance, rtol=4 * np.sqrt(2 / 2000))


def test_energies_are_half_a_unit_for_each_direction():
    found = sampled(langevin_dynamics(bowl), H, num_steps=800)
    exact = 0.5 * np.sum(50 * np.asarray(STEEP) / (50 * np.asarray(STEEP) + 2))
    energies = 50 * np.asarray(found.records["mean_loss"][-1])
    assert abs(energies.mean() - exact) < 4 * energies.std() / len(energies) ** 0.5 + 0.02  # it starts at 0


def test_chains_see_the_key_and_the_state_of_the_loss():
    def noisy(w, count, x, key):
        return jnp.sum((w - 0.1 * jax.random.normal(key, w.shape)) ** 2), count + 1

    loss = pathjax.Loss(noisy, model_state=True, stochastic=True)
    dynamics = langevin_dynamics(loss, adjusted=False)
    network = pathjax.Network(jnp.zeros(3), jnp.zeros((), jnp.int32))
    state = dynamics.init(network, PLAIN)
    after, info = dynamics.step(state, pathjax.Batch(jnp.zeros(1), None, KEY))
    assert info.loss > 0 and (after.params != 0).all() and after.step == 1


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        (
            {},
            "Langevin dynamics need the hyperparameters inverse_temperature, localization, step_size, step_decades",
        ),
        (H | {"rate": 1.0}, "unknown hyperparameters rate: give inverse_temperature"),
    ],
    ids=["missing", "unknown"],
)
def test_hyperparameters_are_required_by_name(hparams, message):
    with pytest.raises(InputError, match=message):
        langevin_dynamics(bowl).init(jnp.zeros(3), hparams)
