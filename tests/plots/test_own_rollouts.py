"""Every figure of records, drawn from the labeled records of rollouts made by the API: lines are the records."""

import inspect
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import pathjax
from helpers import drawn_rollouts as rollouts
from pathjax import observables as obs
from pathjax import plots
from pathjax.analysis.covariance import pair_distances
from pathjax.core.errors import InputError
from pathjax.plots import (
    autocorrelation,
    barriers,
    clouds,
    displacements,
    distance,
    exponents,
    function_space,
    growth,
    induction,
    interventions,
    labels,
    laws,
    layers,
    losses,
    patterns,
    regimes,
    sensitivity,
    symmetries,
)
from pathjax.plots.records import is_drawn, record
from pathjax.plots.sweep import sweep

# What draws the cells of a study, or other things than records.
OF_STUDIES = {
    *("bends", "boundaries", "critical_periods", "grokking", "images", "kinks", "landscape", "learning_coefficients"),
    *("ntk", "pattern_studies", "sankey", "screening", "simplicity", "slabs", "spheres", "steering", "transients"),
    *("variance_components", "style", "variables"),
}


def drawn(draw, *args, **kwargs):
    axes = Figure().subplots()
    draw(axes, *args, **kwargs)
    axes.figure.canvas.draw()
    return axes


def ys(axes):
    return [np.asarray(line.get_ydata(), float) for line in axes.get_lines()]


def has_line(axes, expected):
    expected = np.asarray(expected, float)
    same = [len(y) == len(expected) and np.allclose(y, expected, rtol=1e-5, equal_nan=True) for y in ys(axes)]
    assert any(same), f"{expected} is not drawn"


@pytest.fixture(scope="module")
def data():
    return rollouts.perturbed()


def of(data, name, epsilon=0.1):
    return data[name].isel(member=data.epsilon.values == epsilon)


def median(data, name):
    return of(data, name).median("member")


# For each figure: how to draw it, a curve that it shows, and the label of its y axis.
CASES = {
    "autocorrelation": (autocorrelation.autocorrelation, lambda d: d.autocorrelation[:, 0, 1], "autocorrelation of"),
    "function_memory": (autocorrelation.function_memory, lambda d: d.function_autocorrelation[:, 0, 0], "autocorr"),
    "line": (
        lambda ax, d: barriers.line(ax, d, "probe"),
        lambda d: median(d, "aligned_probe_line_loss")[-1],
        "cross-entropy [nats]",
    ),
    "displacements": (displacements.displacements, lambda d: d.squared_displacement[1:, 0, 0], "[weight$^2$]"),
    "distance": (distance.distance, lambda d: median(d, "distance"), "[weight]"),
    "by_epsilon": (
        lambda ax, d: distance.by_epsilon(ax, d, "probe_js_distance"),
        lambda d: median(d, "probe_js_distance").where(lambda v: v > 0),
        "probe js distance [nats^0.5]",
    ),
    "roundoff": (lambda ax, d: distance.roundoff(ax, {"float32": d}), lambda d: d.distance[:, 2], "[weight]"),
    "spectrum": (
        exponents.spectrum,
        lambda d: np.sort(d.function_log_growth[1:].mean("step_2") / 2)[::-1],
        "nats / step",
    ),
    "exponent": (exponents.exponent, None, "nats / step"),
    "exponents_over_time": (exponents.exponents_over_time, None, "nats / step"),
    "finite_size": (exponents.finite_size, None, "nats / step"),
    "sets": (
        lambda ax, d: function_space.sets(ax, d, "js_distance"),
        lambda d: d.test_js_distance[:, -3:].median("member"),
        "js distance [nats^0.5]",
    ),
    "collapse": (growth.collapse, lambda d: (d.tangent_norm / d.tangent_norm[0]).median("direction"), "growth"),
    "growth": (growth.growth, lambda d: of(d, "distance_growth").mean("member")[1:], "growth"),
    "by_group": (
        lambda ax, d: growth.by_group(ax, d, "kind"),
        lambda d: _kernels(d).median("member"),
        "growth of the distance",
    ),
    "norms": (growth.norms, lambda d: (of(d, "angle") / of(d, "angle")[0]).median("member"), "growth"),
    "by_label": (
        lambda ax, d: labels.by_label(ax, d, "weight_norm", "seed", scale="linear"),
        lambda d: d.weight_norm.isel(member=d.seed.values == 1).mean("member"),
        "weight norm [weight]",
    ),
    "layers": (layers.layers, lambda d: np.degrees(median(d, "cka_angle")[:, 1]), "degrees"),
    "losses": (losses.losses, lambda d: d.test_loss[:, 0], "cross-entropy [nats]"),
    "disagreement": (losses.disagreement, lambda d: 100 * (1 - d.test_accuracy[:, 0]), "% of the test set"),
    "learning_curves": (
        lambda ax, d: patterns.learning_curves(ax, d, {"m": "upper", "c": "lower"}),
        lambda d: d.m_accuracy.mean("member"),
        "accuracy",
    ),
    "conflicts": (
        lambda ax, d: patterns.conflicts(ax, d, {"m": "upper"}),
        lambda d: d.conflict_m_accuracy.mean("member"),
        "share",
    ),
    "randomized": (
        lambda ax, d: patterns.randomized(ax, d, {"m": "upper", "c": "lower"}),
        lambda d: d.m_randomized_auc.mean("member"),
        "area under",
    ),
    "regime_map": (regimes.regime_map, lambda d: median(d, "distance"), "[weight]"),
    "over_time": (
        sensitivity.over_time,
        lambda d: d.sensitivity[:, 0].where(lambda v: v > 0),
        "sensitivity [weight per",
    ),
    "derivatives": (
        sensitivity.disagreement,
        lambda d: d.sensitivity_disagreement[:, 0].where(lambda v: v > 0),
        "dw/d",
    ),
    "symmetries": (symmetries.symmetries, lambda d: median(d, "balanced_distance"), "[weight]"),
}


def _kernels(data):
    leaves = of(data, "leaf_distance").sel(leaf=["Dense_0/kernel", "Dense_1/kernel"])
    distances = np.sqrt((leaves**2).sum("leaf"))
    return distances / distances[0]


@pytest.mark.parametrize("name", CASES)
def test_figures_draw_the_records_of_an_own_rollout(data, name):
    draw, curve, label = CASES[name]
    names = {"m_accuracy": "train_accuracy", "c_accuracy": "test_accuracy", "conflict_m_accuracy": "probe_accuracy"}
    names |= {"m_randomized_auc": "train_accuracy", "c_randomized_auc": "test_accuracy"}
    if name in ("learning_curves", "conflicts", "randomized"):  # sets of examples are named as users like
        data = data.assign({new: data[old] for new, old in names.items()})
    axes = drawn(draw, data)
    assert label in axes.get_ylabel()
    assert axes.get_xlabel()
    if curve is not None:
        has_line(axes, curve(data))


def test_every_figure_of_records_is_tested():
    modules = {module.name for module in pkgutil.iter_modules(plots.__path__)} - OF_STUDIES
    tested = {function.__module__.rpartition(".")[2] for function in globals().values() if inspect.isfunction(function)}
    tested |= {module.__name__.rpartition(".")[2] for module in globals().values() if inspect.ismodule(module)}
    assert modules <= tested


def test_growth_rates_are_those_of_the_records(data):
    total = np.cumsum(data.log_growth[:, 0].values)
    has_line(drawn(exponents.exponent, data), total[1:] / data.step_2.values[1:])
    (first, *_) = drawn(exponents.exponents_over_time, data).patches
    np.testing.assert_allclose(first.get_data().values, data.log_growth[1:, 0] / 2, rtol=1e-5)
    rates = drawn(exponents.finite_size, data)
    assert len(rates.get_lines()) > 1 and rates.get_xlabel() == "separation, $|w-w_0|$  [weight]"


def test_clouds_follow_from_the_inner_products(data):
    own = np.flatnonzero(data.epsilon.values == 0.1)
    pairs = pair_distances(data.weight_gram.values)
    axes = drawn(clouds.clouds, data, "weight_variance")
    squares = (pairs[:, own][:, :, own] ** 2).sum((1, 2)) / 2 / len(own) / (len(own) - 1)
    np.testing.assert_allclose(ys(axes)[1], squares, rtol=2e-2, atol=1e-8)
    assert axes.get_ylabel() == "weight variance [weight^2]"
    first, second = np.triu_indices(len(own), 1)
    has_line(drawn(clouds.density, data, "weight"), np.median(pairs[:, own[first], own[second]], axis=1))
    axes = drawn(clouds.pairs, data, "function")
    np.testing.assert_allclose(axes.collections[0].get_array(), pair_distances(data.function_gram.values)[-1])
    shown = [text.get_text() for text in axes.get_xticklabels()]
    assert shown == ["controls", "$\\varepsilon$ = 0.01", "$\\varepsilon$ = 0.1", "independent"]
    assert all(line[0] == 1 for line in ys(drawn(clouds.spectra, data, "weight")))


def test_correlations_of_two_times_are_a_picture(data):
    axes = drawn(autocorrelation.two_times, data)
    assert axes.collections[0].get_array().shape == (7, 7)


@pytest.fixture(scope="module")
def others():
    """Rollouts without perturbed members: independent networks, arms and forks, one network alone."""
    options = {"hparams": {"learning_rate": 0.1}}
    alone = pathjax.independent_ensemble(rollouts.DYNAMICS, rollouts.networks(1), **options)
    arms = pathjax.fork(pathjax.with_arms(alone, {"slow": {"learning_rate": 0.01}}), 2)
    measures = [*rollouts.FEW, obs.weight_gram(4), obs.classification(rollouts.predict, rollouts.SETS, every=4)]
    independent = pathjax.independent_ensemble(rollouts.DYNAMICS, rollouts.networks(4), **options)
    return {
        "independent": rollouts.data_of(independent, measures),
        "arms": rollouts.data_of(arms, measures),
        "alone": rollouts.data_of(alone, rollouts.FEW),
    }


@pytest.mark.parametrize("name", ["independent", "arms"])
def test_members_of_all_roles_are_drawn(others, name):
    found = others[name]
    drawn_roles = {text.get_text() for text in drawn(distance.distance, found).get_legend().get_texts()}
    assert drawn_roles == ({"independent networks"} if name == "independent" else {"fork", "arm"})
    has_line(drawn(distance.distance, found), found.distance[:, -1].where(lambda v: v > 0))
    has_line(drawn(distance.by_epsilon, found, "weight_norm", scale="linear"), found.weight_norm[:, -1])
    has_line(drawn(losses.disagreement, found), 100 * (1 - found.test_agreement[:, -1]))
    drawn(clouds.density, found, "weight")
    has_line(drawn(labels.by_label, found, "weight_norm", "role"), found.weight_norm[:, 0])
    for variable in filter(lambda one: is_drawn(found[one]), found.data_vars):
        assert "[" in drawn(record, found, str(variable)).get_ylabel()


@pytest.mark.parametrize(
    "draw, name, expected",
    [
        (distance.distance, "alone", "there is only the baseline: give members"),
        (regimes.regime_map, "alone", "no 'tangent_norm', from which 'regime' follows: record it by .*linear_response"),
        (growth.growth, "arms", "no member is perturbed"),
        (growth.norms, "arms", "'distance' of fork begins at 0"),
        (autocorrelation.two_times, "arms", "no 'projections': record it by pathjax.observables.weight_projections"),
        (losses.disagreement, "alone", "no 'test_agreement': record it by pathjax.observables.classification"),
        (laws.fitted, "arms", "several initializations, and 'distance' has the dimensions step, member"),
        (interventions.trajectories, "arms", "no label 'at_step'.*intervened_ensemble"),
        (sweep, "arms", "no member is perturbed"),
    ],
    ids=lambda value: getattr(value, "__name__", None) and f"{value.__module__}.{value.__name__}",
)
def test_what_is_missing_is_said_in_one_line(others, draw, name, expected):
    with pytest.raises(InputError, match=expected) as error:
        drawn(draw, others[name])
    assert "\n" not in str(error.value)


def test_wrong_data_are_refused_in_one_line(data, others):
    with pytest.raises(InputError, match="members have no label 'arm'.*pathjax.with_labels"):
        drawn(labels.by_label, data, "distance", "arm")
    with pytest.raises(InputError, match="choose along member_1 and member_2 alike"):
        drawn(clouds.pairs, data.isel(member=slice(3)), "weight")
    with pytest.raises(InputError, match="'log_growth' has one record"):
        drawn(exponents.exponent, data.isel(step_2=[0]))
    with pytest.raises(InputError, match="have no axis to draw along"):
        drawn(sweep, data)


def test_a_single_record_is_seen_and_members_that_are_nan_are_left_out(data):
    one = data.isel({dim: [0] for dim in data.dims if str(dim).startswith("step")})
    for draw in (distance.distance, losses.losses, symmetries.symmetries, layers.layers):
        assert any(line.get_marker() == "o" for line in drawn(draw, one).get_lines())
    lost = data.copy(deep=True)
    lost.distance.values[:, 9 - 1] = np.nan  # of the largest epsilon
    has_line(drawn(distance.distance, lost), of(lost, "distance").median("member"))
    drawn(regimes.regime_map, lost)


def test_the_settings_of_a_sweep_are_an_axis_by_themselves():
    swept = pathjax.sweep(rollouts.DYNAMICS, rollouts.ensemble(), [{"learning_rate": rate} for rate in (0.1, 0.3)])
    found = rollouts.data_of(swept, rollouts.FEW)
    assert found.distance.dims == ("step", "learning_rate", "member") and found.learning_rate.values.tolist() == [
        0.1,
        0.3,
    ]
    axes = drawn(sweep, found)
    has_line(axes, found.distance_growth[-1].isel(member=found.role.values == "perturbed").median("member"))
    assert axes.get_xlabel() == "learning rate"
    has_line(drawn(distance.distance, found.sel(learning_rate=0.3)), of(found, "distance")[:, 1].median("member"))
    has_line(drawn(growth.growth, found), of(found, "distance_growth")[1:, 1].mean("member"))
    with pytest.raises(InputError, match=r"also has the dimensions learning_rate.*data.isel\(learning_rate=0\)"):
        drawn(distance.distance, found)


def test_several_initializations_show_growth_and_laws():
    starts = [jax.tree.map(lambda leaf, i=i: leaf[i], rollouts.networks(4)) for i in range(4)]
    options = {**rollouts.PERTURBED, "hparams": {"learning_rate": 0.1}}
    each = [
        pathjax.perturbed_ensemble(rollouts.KEY, rollouts.DYNAMICS, one, pathjax.on_sphere(), **options)
        for one in starts
    ]
    found = rollouts.data_of(pathjax.stack_ensembles(each), rollouts.FEW)
    assert found.distance.dims == ("step", "setting", "member")
    has_line(drawn(growth.growth, found), of(found, "distance_growth")[1:, 3].mean("member"))
    axes = drawn(laws.fitted, found)
    logs = np.log(of(found, "distance")).mean("member")
    expected = np.exp((logs - logs[0]).mean("setting"))
    assert np.isclose([line[-1] for line in ys(axes)], float(expected[-1]), rtol=1e-3).any()
    assert drawn(laws.residuals, found).get_ylabel().startswith("$\\log d$")


def test_interventions_are_drawn_by_step_and_epsilon():
    kick = {"kick": pathjax.interventions.of_weights(pathjax.on_sphere())}
    dynamics = pathjax.interventions.intervened(rollouts.DYNAMICS, kick)
    grid = pathjax.InterventionGrid(at_steps=[0, 8], epsilons=[0.01, 0.1], num_seeds=3)
    start, rate = rollouts.first_network(), {"learning_rate": 0.1}
    members = pathjax.intervened_ensemble(rollouts.KEY, dynamics, start, "kick", grid, hparams=rate)
    found = rollouts.data_of(members, [*rollouts.FEW, obs.intervention_size("kick")], dynamics)
    ends = found.distance.values[-1, 3:].reshape(2, 2, 3)
    axes = drawn(interventions.heat_map, found, "distance")
    np.testing.assert_allclose(axes.collections[0].get_array(), np.median(ends, axis=2).T, rtol=1e-6)
    axes = drawn(interventions.by_step, found, "distance")
    has_line(axes, np.median(ends[:, 1], axis=1))
    assert axes.get_ylabel() == "distance [weight], at the end"
    has_line(drawn(interventions.trajectories, found), found.distance[:, -1].where(lambda v: v > 0))


def test_induction_scores_are_drawn_with_the_steps_at_which_heads_form():
    rising = pathjax.map_dynamics(lambda w, batch: w + 0.1)
    starts = jnp.array([0.0, 0.1, 0.2])
    score = obs.induction_score(
        lambda w, x: jnp.full((1, 1, 1, 2, 2), w), jnp.zeros((1, 2)), jnp.array([[-1, 0]]), (1, 1), every=2
    )
    members = pathjax.independent_ensemble(rising, starts)
    found = pathjax.to_dataset(
        pathjax.rollout(rising, members, jnp.zeros(1), pathjax.full_batch_schedule(1, 8), [score])
    )
    has_line(drawn(induction.score, found), found.induction_score[:, 0])
    steps = drawn(induction.formation, found, formed=0.5).get_lines()
    np.testing.assert_allclose(steps[0].get_xdata(), [4, 3], rtol=1e-5)
    np.testing.assert_allclose(steps[1].get_xdata(), [5, 5], rtol=1e-5)
