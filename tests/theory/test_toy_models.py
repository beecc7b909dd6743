"""Toy models of divergence: the simulation in the engine against closed forms, within standard errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import pathjax
from pathjax.analysis.law_selection import select_law
from pathjax.analysis.multiple_tests import holm
from pathjax.theory import kink_crossings, layered_growth, noisy_descent, random_walks

KEY = jax.random.key(0)
PAIRS, STEPS, EVERY = 400, 100, 5
TIMES = np.arange(0, STEPS + 1, EVERY)
SURE = 6e-5  # four standard errors, for all comparisons of a test together


def positions(dim):
    """An observable of where each member is."""
    read = lambda carry, snapshot: (carry, {"position": snapshot.state.params})  # noqa: E731
    variables = (pathjax.Variable("position", ("coordinate",), "1", "position"),)
    coords = (("coordinate", tuple(range(dim))),)
    return pathjax.Observable(lambda snapshot: (), read, None, EVERY, "member", variables, coords=coords)


def separations(step, first, second, own_noise=True, num_pairs=PAIRS):
    """Rolls out pairs of members and returns their separations, float[record, pair].

    Pairs share no noise with other pairs, so that their separations are independent.
    """
    starts = jnp.stack([jnp.asarray(first), jnp.asarray(second)] * num_pairs)
    dynamics = pathjax.map_dynamics(lambda x, batch: step(x, batch.key))
    ensemble = pathjax.independent_ensemble(dynamics, starts)
    indices = jnp.arange(2 * num_pairs, dtype=jnp.uint32)
    indices = 1 + (indices if own_noise else indices // 2)
    ensemble = pathjax.with_noise(ensemble)
    ensemble = ensemble._replace(state=ensemble.state._replace(noise=indices))
    schedule = pathjax.batch_schedule(KEY, 1, 1, num_steps=STEPS)
    found = pathjax.rollout(dynamics, ensemble, jnp.zeros(1), schedule, [positions(starts.shape[1])])
    where = found.records["position"].astype(float)
    return np.linalg.norm(where[:, 0::2] - where[:, 1::2], axis=-1)


def z_of_means(samples, mean):
    """Returns deviations of the mean over pairs from the exact one after the start, in standard errors."""
    after = samples[1:]
    return (after.mean(1) - mean[1:]) / (after.std(1, ddof=1) / PAIRS**0.5)


def check(*z):
    assert (holm(2 * stats.norm.sf(np.abs(np.concatenate(z)))) > SURE).all(), z


@pytest.mark.parametrize("dim", [1, 2, 30])
def test_walks_in_the_plane(dim):
    start, moved = jnp.zeros(dim), jnp.zeros(dim).at[0].set(0.5)
    d = separations(random_walks.walk(0.1), start, moved)
    exact = random_walks.walk_distances(dim, 2 * TIMES * 0.1**2, 0.5)
    check(z_of_means(d, exact.mean), z_of_means(d**2, exact.rms**2))


def test_common_noise_moves_no_separation_in_the_plane():
    d = separations(random_walks.walk(0.1), jnp.zeros(3), jnp.ones(3), own_noise=False)
    np.testing.assert_allclose(d, 3**0.5, rtol=1e-5)


@pytest.mark.parametrize(("dim", "start"), [(2, 0.0), (3, 0.3), (20, 0.1)])
def test_walks_on_a_sphere(dim, start):
    angle = 2 * np.arcsin(start / 4)
    pole = 2 * jnp.eye(dim)[0]
    d = separations(
        random_walks.sphere_walk(0.05), pole, 2 * (jnp.cos(angle) * jnp.eye(dim)[0] + jnp.sin(angle) * jnp.eye(dim)[1])
    )
    exact = random_walks.sphere_distances(dim, 2.0, 0.05, 2 * TIMES, start)
    check(z_of_means(d, exact.mean), z_of_means(d**2, exact.rms**2))


def test_the_mean_chord_starts_and_ends_where_it_should():
    for dim, chord in ((2, 4 / np.pi), (3, 4 / 3), (1000, 2**0.5 * (1 - 1 / 8000))):
        found = random_walks.sphere_distances(dim, 1.0, 0.1, [0, 10**7], 0.2)
        np.testing.assert_allclose(found.mean, [0.2, chord], rtol=1e-6 if dim < 1000 else 1e-4)
    small = random_walks.sphere_distances(50, 1.0, 1e-4, [1, 10], 0.0)  # a plane of 49 dimensions, and few harmonics
    plane = random_walks.walk_distances(49, np.array([1, 10]) * 1e-8)
    np.testing.assert_allclose(small, plane, rtol=1e-5)


def test_noise_on_the_gradient_of_a_quadratic():
    curvature, start = jnp.array([0.1, 1.0, 3.0]), jnp.array([1.0, 1.0, -0.5])
    step = noisy_descent.noisy_descent(curvature, 0.1, 0.5)
    d = separations(step, jnp.zeros(3), start)
    check(z_of_means(d**2, noisy_descent.descent_separation(curvature, 0.1, 0.5, TIMES, start) ** 2))
    common = separations(step, jnp.zeros(3), start, own_noise=False)
    exact = noisy_descent.descent_separation(curvature, 0.1, 0.5, TIMES, start, common=True)
    np.testing.assert_allclose(common[:, 0], exact, rtol=1e-4)


@pytest.mark.parametrize(("dim", "start"), [(1, 3.0), (7, 0.1), (1000, 90**0.5), (5000, 20.0)])
def test_mean_distances_in_any_number_of_dimensions(dim, start):
    """Against quadrature with the density of the squared distance."""
    squared = stats.ncx2(dim, start**2)
    ends = squared.ppf([1e-12, 1 - 1e-12])
    exact, _ = integrate.quad(lambda x: x**0.5 * squared.pdf(x), *ends, limit=200, points=[squared.mean()])
    np.testing.assert_allclose(random_walks.walk_distances(dim, 1.0, start).mean, exact, rtol=1e-6)


@pytest.mark.parametrize("given", [(1, 0.9, 1), (1, 1, 0.5), (1, 0.1, 20), (1, 0.5, 2), (1, 0.1, 0.01)])
def test_the_lyapunov_exponent_of_noise_that_multiplies(given):
    """Against quadrature that is split at the zero of the factor."""
    curvature, rate, noise = given
    zero = (1 - rate * curvature) / (rate * curvature * noise)
    log = lambda x: np.log(abs(rate * curvature * noise * (zero - x))) * stats.norm.pdf(x)  # noqa: E731
    pieces = sorted({-12.0, 12.0, *([zero] if abs(zero) < 12 else [])})
    exact = sum(integrate.quad(log, a, b, limit=200)[0] for a, b in zip(pieces, pieces[1:], strict=False))
    assert noisy_descent.multiplicative_growth(*given)[1] == pytest.approx(exact, abs=1e-7)


def test_noise_that_multiplies_the_gradient():
    step = noisy_descent.multiplicative_descent(1.0, 0.1, 0.4)
    d = separations(step, jnp.zeros(1), jnp.ones(1), own_noise=False)
    of_rms, typical = noisy_descent.multiplicative_growth(1.0, 0.1, 0.4)
    check(z_of_means(np.log(d), typical * TIMES), z_of_means(d**2, np.exp(2 * of_rms * TIMES)))


@pytest.mark.slow
def test_kinks_between_two_runs():
    """Against the distribution of independent jumps, in as many dimensions as make jumps orthogonal."""
    dim, jump, extent, start = 200, 0.1, 1.2, 0.3
    step = kink_crossings.kink_walk(jump, extent, kinks_per_step=2)
    d = separations(step, jnp.zeros(dim), start * jnp.eye(dim)[0], own_noise=False)
    rate = kink_crossings.crossing_rate(dim, extent, 2)
    exact = kink_crossings.kink_distances(rate, jump, STEPS, start, [0.1, 0.9])
    assert 0.1 < exact["none"][-1] < 0.5 and (exact["rms"][-1] / start - 1) > 0.02
    check(z_of_means(d**2, exact["rms"][TIMES] ** 2))
    hit = d > start * 1.0001
    check(z_of_means(hit.astype(float), 1 - exact["none"][TIMES]))


def test_many_crossings_follow_the_mean_field():
    found = kink_crossings.kink_distances(0.01, 0.01, 4000, 10.0)
    law = kink_crossings.kink_law(np.arange(4001), 10.0, 0.0, 0.01, 0.01)
    np.testing.assert_allclose(found["mean"], law, rtol=1e-6)


def test_growth_and_kinks_solve_their_equation():
    t = np.linspace(0, 100, 20001)
    d = kink_crossings.kink_law(t, 0.1, 0.02, 0.3, 0.1)
    slope = np.gradient(d**2, t, edge_order=2)
    np.testing.assert_allclose(slope[1:-1], (2 * 0.02 * d**2 + 0.3 * 0.1**2 * d)[1:-1], rtol=1e-5)


def test_layers_that_diverge_linearly():
    velocities, starts = jnp.array([0.1, 0.02, 0.05]), jnp.array([0.3, 0.4, 1.0])
    step = lambda x, key: jnp.stack(layered_growth.drifting_layers(velocities)((x[:3], x[3:])), 0).ravel()  # noqa: E731
    first, second = (jnp.concatenate([a, a]) for a in (jnp.ones(3), 1 + starts))
    d = np.sqrt(separations(step, first, second)[:, 0] ** 2 - float(jnp.sum(starts**2)))
    np.testing.assert_allclose(d, layered_growth.sum_of_layers(starts, velocities, TIMES), rtol=1e-5)
    assert layered_growth.product_of_layers(10**6, 1e-8, 100) == pytest.approx(np.exp(1), rel=1e-4)


def far_apart(dim):
    return jnp.zeros(dim), 0.5 * jnp.eye(dim)[0]


def of_units(law, spread=0.05):
    """Curves whose velocities differ by unit, float[record, unit]."""
    return np.stack([law(factor) for factor in np.exp(spread * np.random.default_rng(0).normal(size=8))], 1)


TOYS = {
    "layers in sum": (
        lambda: of_units(lambda v: layered_growth.sum_of_layers([1.0, 0.1], [0.001 * v, 0.2 * v], TIMES)),
        "quadratic",
    ),
    "many layers in a product": (
        lambda: of_units(lambda v: layered_growth.product_of_layers(50, 3e-4 * v, TIMES)),
        "exponential",
    ),
    "a walk": (lambda: separations(random_walks.walk(0.05), *far_apart(50)), "diffusion"),
    "a walk on a sphere": (
        lambda: separations(
            random_walks.sphere_walk(0.07), jnp.eye(50)[0], (jnp.eye(50)[0] + jnp.eye(50)[1] / 4) / (17 / 16) ** 0.5
        ),
        "Brownian motion on a sphere",
    ),
    "descent with noise": (
        lambda: separations(noisy_descent.noisy_descent(0.2, 0.1, 0.5), *far_apart(50)),
        "Brownian motion on a sphere",
    ),
    "descent with common noise": (
        lambda: separations(noisy_descent.noisy_descent(0.2, 0.1, 0.5), *far_apart(50), own_noise=False),
        "exponential",
    ),
    "descent with noise that multiplies": (
        lambda: separations(noisy_descent.multiplicative_descent(0.2, 0.1, 2.0), *far_apart(1), own_noise=False),
        "exponential",
    ),
    "kinks": (
        lambda: separations(kink_crossings.kink_walk(0.1, 2.0, kinks_per_step=80), *far_apart(30), False, num_pairs=64),
        "linear",
    ),
}


LONG = ("descent with common noise", "descent with noise that multiplies", "descent with noise", "kinks")


@pytest.mark.parametrize("toy", [pytest.param(toy, marks=pytest.mark.slow) if toy in LONG else toy for toy in TOYS])
def test_the_selector_picks_each_toys_law(toy):
    measure, law = TOYS[toy]
    distance = measure().T.reshape(8, -1, len(TIMES))  # units, directions, times
    found = select_law(TIMES, distance)
    assert found.law == law, (found.law, found.rivals, found.score, found.p_value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: random_walks.sphere_distances(1, 1.0, 0.1, [1]),
        lambda: random_walks.sphere_distances(3, 1.0, 0.1, [1], 2.5),
        lambda: kink_crossings.kink_distances(1.0, 0.1, 10, 0.0),
        lambda: kink_crossings.kink_distances(5.0, 0.1, 10, 0.5),
        lambda: kink_crossings.kink_distances(2.0, 1.0, 30, 0.001),
        lambda: random_walks.walk_distances(3, -1.0),
        lambda: random_walks.walk_distances(0, 1.0),
        lambda: random_walks.sphere_distances(3, 1.0, 0.1, -3),
    ],
)
def test_what_a_model_cannot_have_is_one_line(wrong):
    with pytest.raises(pathjax.InputError) as error:
        wrong()
    assert "\n" not in str(error.value)
