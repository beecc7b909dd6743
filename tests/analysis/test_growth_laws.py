"""Laws of growth: the selection finds the law that made the data, refuses others, and its intervals cover."""

from collections import Counter

import numpy as np
import pytest

import pathjax
from pathjax.analysis import growth_laws
from pathjax.analysis.breakpoints import EXPONENTIAL_THEN_LINEAR, exponential_period
from pathjax.analysis.growth_laws import LAWS, contains, predict, with_tangent
from pathjax.analysis.law_fits import curves_of, fit_law
from pathjax.analysis.law_selection import CANNOT_TELL, NONE, _predict_better, held_out_squares, select_law

STEPS = np.linspace(0, 1500, 61)
T = STEPS / STEPS[-1]
# In units of the whole time and of the start; growth is 3 to 4.5.
PARAMETERS = {
    "exponential": (1.2,),
    "linear": (2.5,),
    "square root": (2.5,),
    "diffusion": (11.0,),
    "power": (2.5, 0.7),
    "saturating": (8.0, 3.0),
    "logistic": (4.0, 0.25),
    "quadratic": (1.0, 12.0),
    "Brownian motion on a sphere": (40.0, 0.08),
    "kink crossings": (1.0, 1.0),
    "kink crossings on a sphere": (6.0, 30.0, 0.05),
}
ALTERNATIVES = {
    "a step": lambda t: 1 + 3 * (t > 0.5),
    "two plateaus": lambda t: 1 + 1.5 * (t > 0.3) + 1.5 * (t > 0.7),
    "waves": lambda t: (1 + 3 * t) * (1 + 0.15 * np.sin(12 * t)),
}


def drawn(rng, curve, sd=0.05, intraclass=0.5, num_units=8, num_directions=8):
    """Draws whole-curve noise as recorded: log d is correlated by .99 over 25 steps, within units, too."""
    correlation = 0.99 ** ((STEPS[1] - STEPS[0]) / 25)

    def noise():
        found = np.zeros(len(STEPS))
        for i in range(1, len(STEPS)):
            found[i] = correlation * found[i - 1] + np.sqrt(1 - correlation**2) * rng.normal()
        return found

    curves = []
    for _ in range(num_units):
        of_unit = intraclass**0.5 * noise()
        own = [np.exp(sd * (of_unit + (1 - intraclass) ** 0.5 * noise())) for _ in range(num_directions)]
        curves.append(curve * np.array(own))
    return np.array(curves)


def curve_of(name, parameters=None):
    return predict(LAWS[name], T, 1.0, PARAMETERS[name] if parameters is None else parameters)


def is_found(selected, name):
    return selected == name or (selected in LAWS and contains(LAWS, selected, name))


@pytest.mark.parametrize("name", LAWS)
def test_the_law_that_made_the_data_is_found(name):
    """90 of 100 draws are required (the slow test); here the first."""
    found = select_law(STEPS, drawn(np.random.default_rng(0), curve_of(name)))
    assert is_found(found.law, name) and found.p_value > 0.05, (found.law, found.rivals, found.p_value)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_the_law_that_made_the_data_is_found_in_90_of_100_draws_and_intervals_cover(name):
    exact = np.array(LAWS[name].in_units(PARAMETERS[name], STEPS[-1], 1.0))
    verdicts, covered = Counter(), []
    for i in range(100):
        found = select_law(STEPS, drawn(np.random.default_rng(i), curve_of(name)))
        verdicts[found.law] += 1
        fit = found.fits[name]
        covered.append((fit.low <= exact) & (exact <= fit.high))
    assert sum(count for verdict, count in verdicts.items() if is_found(verdict, name)) >= 90, verdicts
    # 95% less three standard errors of a share of 100 draws.
    assert (np.mean(covered, axis=0) >= 0.885).all(), np.mean(covered, axis=0)


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_a_curve_that_is_none_of_the_laws_is_refused(name):
    assert select_law(STEPS, drawn(np.random.default_rng(0), ALTERNATIVES[name](T))).law == NONE


@pytest.mark.slow
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_other_curves_are_refused_in_80_of_100_draws(name):
    found = [select_law(STEPS, drawn(np.random.default_rng(i), ALTERNATIVES[name](T))).law for i in range(100)]
    assert found.count(NONE) >= 80


@pytest.mark.parametrize("name", ["exponential", "linear", "square root", "diffusion"])
def test_a_growth_of_1_3_does_not_tell(name):
    small = {"exponential": 0.26, "linear": 0.3, "square root": 0.3, "diffusion": 0.69}[name]
    assert select_law(STEPS, drawn(np.random.default_rng(0), curve_of(name, (small,)))).law == CANNOT_TELL


def test_large_noise_does_not_tell_laws_apart():
    draws = [drawn(np.random.default_rng(i), curve_of("exponential"), sd=1.0, num_units=4) for i in range(5)]
    assert [select_law(STEPS, one).law for one in draws].count(CANNOT_TELL) >= 3


def test_every_law_starts_at_its_start_and_contains_its_special_cases():
    limits = {
        ("power", "linear"): (2.5, 1.0),
        ("power", "square root"): (2.5, 0.5),
        ("saturating", "linear"): (2.5, 0.0),
        ("logistic", "exponential"): (1.2, 0.0),
        ("quadratic", "diffusion"): (11.0, 0.0),
        ("quadratic", "linear"): (5.0, 6.25),
        ("Brownian motion on a sphere", "diffusion"): (11.0, 0.0),
        ("kink crossings", "exponential"): (1.2, 0.0),
        ("kink crossings", "linear"): (0.0, 2.5),
        ("kink crossings", "saturating"): (-3.0, 11.0),
        ("kink crossings on a sphere", "quadratic"): (1.0, 12.0, 0.0),
        ("kink crossings on a sphere", "Brownian motion on a sphere"): (40.0, 0.0, 0.08),
    }
    assert {(name, case) for name, law in LAWS.items() for case in law.special_cases} == set(limits)
    for (name, case), parameters in limits.items():
        np.testing.assert_allclose(curve_of(name, parameters), curve_of(case), rtol=1e-9, err_msg=name)
    for name in LAWS:
        assert curve_of(name)[0] == pytest.approx(1)


def test_parameters_have_the_units_of_steps_and_distances():
    """Against the law in other units: the same curve, 0.01 times as large, over 1500 steps."""
    for name, law in LAWS.items():
        own = law.in_units(PARAMETERS[name], STEPS[-1], 0.01)
        np.testing.assert_allclose(predict(law, STEPS, 0.01, own), 0.01 * curve_of(name), rtol=1e-9, err_msg=name)
        fit = fit_law(curves_of(STEPS, drawn(np.random.default_rng(0), 0.01 * curve_of(name), sd=1e-5)), law)
        np.testing.assert_allclose(fit.parameters, own, rtol=5e-3, err_msg=name)


# Of those that can begin at 0.
FROM_ZERO = {
    "linear": (2.5,),
    "diffusion": (11.0,),
    "power": (2.5, 0.7),
    "Brownian motion on a sphere": (40.0, 0.08),
    "quadratic": (1.0, 12.0),
}


@pytest.mark.parametrize("name", FROM_ZERO)
def test_the_law_of_distances_that_begin_at_0_is_found(name):
    curve = predict(LAWS[name], T, 0.0, FROM_ZERO[name])
    assert is_found(select_law(STEPS, drawn(np.random.default_rng(0), curve)).law, name)


def test_the_tangent_alone_and_beside_a_law_is_found():
    tangent = np.exp(0.8 * T**2)
    laws = {"linear": LAWS["linear"], "exponential": LAWS["exponential"]}
    alone = select_law(STEPS, drawn(np.random.default_rng(0), tangent), laws=laws, tangent=7 * tangent)
    beside = select_law(STEPS, drawn(np.random.default_rng(1), tangent + 2 * T), laws=laws, tangent=tangent)
    assert (alone.law, beside.law) == ("tangent", "tangent + linear")
    assert sorted(with_tangent(T, tangent, laws)) == sorted(
        ["exponential", "linear", "tangent", "tangent + exponential", "tangent + linear"]
    )
    small = tangent**0.3  # growth by 1.27, which no law with a parameter could be told from
    assert select_law(STEPS, drawn(np.random.default_rng(0), small, sd=0.01), laws=laws, tangent=small).law == "tangent"
    fit = beside.fits["tangent + linear"]
    assert fit.low[0] < 2 / 1500 < fit.high[0]


def test_a_tangent_is_not_decided_by_having_no_parameter():
    for curve, tangent in ((1 + 2.5 * T, np.exp(1.2 * T)), (np.exp(1.2 * T), 1 + 2.5 * T)):
        found = select_law(STEPS, drawn(np.random.default_rng(0), curve, sd=1.0), tangent=tangent)
        assert found.law != "tangent", found.rivals


def test_a_law_that_predicts_held_out_units_worse_is_not_decided():
    curves = curves_of(STEPS, drawn(np.random.default_rng(0), curve_of("linear")))
    squares = held_out_squares(curves, [LAWS["linear"], LAWS["diffusion"]])
    assert _predict_better(squares, "diffusion", ["linear", "quadratic"]) == ["linear"]
    assert _predict_better(squares, "linear", ["diffusion"]) == []


RATES = {"logistic": (4.0, 0.25), "power": (2.5, 0.7), "saturating": (8.0, 3.0)}


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in RATES)])
def test_intervals_cover_where_each_unit_and_direction_has_its_own_rate(name):
    """No law is exact for a mean over different rates; the floor of the intervals allows for that."""
    exact = np.array(LAWS[name].in_units(RATES[name], STEPS[-1], 1.0))
    covered = []
    for i in range(40):
        rng = np.random.default_rng(i)
        factors = np.exp(0.1 * (rng.normal(size=(8, 1)) + rng.normal(size=(8, 8))) / 2**0.5)
        each = [[predict(LAWS[name], T, 1.0, (f * RATES[name][0], RATES[name][1])) for f in row] for row in factors]
        fit = fit_law(curves_of(STEPS, np.array(each) * np.exp(0.002 * rng.normal(size=(8, 8, 61)))), LAWS[name])
        covered.append((fit.low <= exact) & (exact <= fit.high))
    assert (np.mean(covered, axis=0)[1] >= 0.85).all(), np.mean(covered, axis=0)  # the first is a mean of unknown kind


HARD = np.concatenate([np.arange(0, 60, 5), np.arange(75, 1501, 25)])


@pytest.mark.parametrize("num", [3, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("exact", [(0.004, 300.0, 0.003), (0.003, 500.0, 0.015)])
def test_a_late_end_of_an_exponential_period_is_found(exact, num):
    """Increments are multiplied by slow noise; most starts of a fit lead to wrong ends."""
    increments = np.diff(EXPONENTIAL_THEN_LINEAR.distance(HARD, 1.0, exact))
    covered, ends = [], []
    for i in range(num):
        rng = np.random.default_rng(i)
        smooth = np.cumsum(rng.normal(size=(8, 8, len(increments))), 2) / len(increments) ** 0.5
        grown = np.cumsum(increments * np.exp(0.2 * (smooth + smooth.mean(1, keepdims=True))), 2)
        found = exponential_period(HARD, np.concatenate([np.ones((8, 8, 1)), 1 + grown], 2)).fit
        covered.append((found.low <= exact) & (exact <= found.high))
        ends.append(found.parameters[1])
    assert np.median(np.abs(np.log(np.array(ends) / exact[1]))) < 0.1, ends
    assert (np.mean(covered, axis=0) >= (0.66 if num == 3 else 0.85)).all(), np.mean(covered, axis=0)


def test_the_exponential_period_ends_where_it_did():
    steps = np.concatenate([np.arange(0, 60, 5), np.arange(75, 1501, 25)])
    covered = []
    for i in range(4):
        rng = np.random.default_rng(i)
        rates = 0.03 * np.exp(0.05 * rng.normal(size=(8, 1)))
        curves = [EXPONENTIAL_THEN_LINEAR.distance(steps, 1.0, (rate, 40.0, 0.005)) for rate in rates]
        found = exponential_period(steps, np.array(curves) * np.exp(0.01 * rng.normal(size=(8, 1)) * steps / 1500))
        covered.append((found.fit.low <= (0.03, 40, 0.005)) & (found.fit.high >= (0.03, 40, 0.005)))
        assert found.p_linear < 0.01 and found.p_exponential < 0.01
    assert (np.mean(covered, axis=0) >= 0.75).all(), np.mean(covered, axis=0)
    line = exponential_period(STEPS, drawn(np.random.default_rng(0), curve_of("linear")))
    assert line.p_linear > 0.05 and line.p_exponential < 0.01


MISTAKES = {
    "3 units cannot show their noise": lambda: select_law(STEPS, np.ones((3, 2, 61))),
    "distances have shape .8, 2, 60.": lambda: select_law(STEPS, np.ones((8, 2, 60))),
    "steps must be at least 8": lambda: select_law(STEPS[:5], np.ones((8, 2, 5))),
    "above 0 after the start": lambda: select_law(STEPS, np.zeros((8, 2, 61))),
    "no direction with finite distances": lambda: select_law(STEPS, np.full((8, 2, 61), np.nan)),
    "no law is left": lambda: select_law(STEPS, np.ones((8, 2, 1)) * STEPS, laws={"exponential": LAWS["exponential"]}),
    "leave out the tangent": lambda: select_law(STEPS, np.ones((8, 2, 1)) * STEPS, tangent=np.ones(61)),
    "the tangent must be positive": lambda: growth_laws.with_tangent(STEPS, -np.ones(61)),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_one_line(message):
    with pytest.raises(pathjax.InputError, match=message) as error:
        MISTAKES[message]()
    assert "\n" not in str(error.value)
