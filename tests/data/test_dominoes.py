"""Dominoes, counted independently in 200 random settings."""

import numpy as np
import pytest
from scipy import optimize, stats

import pathjax
from pathjax.analysis.multiple_tests import holm
from pathjax.data import load_dataset
from pathjax.data.domino_counts import domino_counts
from pathjax.data.domino_layout import _shown, even_split, lay_out
from pathjax.data.dominoes import Dominoes, Images, Side, degraded, dominoes
from pathjax.data.gratings import gratings

NUM_SETTINGS = 200


class Setting:
    """A random setting, possible or not, and whether it is possible, by an independent rule."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.rng = rng
        self.num_classes = int(rng.integers(2, 11))
        self.classes_m, self.classes_c = (rng.integers(self.num_classes, size=rng.integers(200, 900)) for _ in range(2))
        self.p_m, self.p_c = (round(float(p), 2) for p in rng.uniform(size=2))
        self.both = None if rng.random() < 0.3 else round(float(rng.uniform()), 2)
        self.num = int(rng.integers(50, 900))
        self.reliability = tuple(float(r) for r in rng.uniform(0.5, 1, 2).round(2))
        self.label_noise = round(float(rng.uniform(0, 0.3)), 2)
        each = [np.bincount(own, minlength=self.num_classes) for own in (self.classes_m, self.classes_c)]
        self.pairs = sum(min(a, b) for a, b in zip(*each, strict=True))

    @property
    def joint(self) -> float:
        return self.p_m * self.p_c if self.both is None else self.both

    @property
    def is_possible(self) -> bool:
        joint = self.joint
        shares = joint <= min(self.p_m, self.p_c) + 1e-9 and 1 - self.p_m - self.p_c + joint >= -1e-9
        m, c, both = (round(self.num * share) for share in (self.p_m, self.p_c, joint))
        return shares and m <= len(self.classes_m) and c <= len(self.classes_c) and both <= self.pairs

    def counts(self):
        sizes = (self.p_m, self.p_c, len(self.classes_m), len(self.classes_c))
        return domino_counts(*sizes, num=self.num, both=self.both, num_pairs=self.pairs)

    def layout(self):
        given = {"num_classes": self.num_classes, "reliability": self.reliability, "label_noise": self.label_noise}
        return lay_out(self.rng, self.counts(), self.classes_m, self.classes_c, **given)


SETTINGS = [Setting(seed) for seed in range(NUM_SETTINGS)]
POSSIBLE = [setting for setting in SETTINGS if setting.is_possible]


def test_enough_settings_are_possible_and_enough_are_not():
    assert 60 <= len(POSSIBLE) <= NUM_SETTINGS - 60


def test_impossible_settings_are_refused_with_what_is_possible():
    for setting in SETTINGS:
        if not setting.is_possible:
            with pytest.raises(pathjax.InputError, match=r"choose .*\d") as error:
                setting.counts()
            assert "\n" not in str(error.value)


def test_counts_of_random_settings_are_exact():
    for setting in POSSIBLE:
        layout, n = setting.layout(), setting.num
        has_m, has_c = layout.m >= 0, layout.c >= 0
        assert len(layout.classes) == n
        assert has_m.sum() == round(n * setting.p_m) and has_c.sum() == round(n * setting.p_c)
        # Between what rounded margins leave, the joint count is that of the setting.
        least = max(0, has_m.sum() + has_c.sum() - n)
        assert (has_m & has_c).sum() == np.clip(round(n * setting.joint), least, min(has_m.sum(), has_c.sum()))
        counts = setting.counts()
        assert (~has_m & ~has_c).sum() == counts.empty and counts.num == n
        assert counts.rejected_m == len(setting.classes_m) - has_m.sum()
        sides = ((layout.m, setting.classes_m), (layout.c, setting.classes_c))
        for (images, classes), reliability in zip(sides, setting.reliability, strict=True):
            shown = images[images >= 0]
            assert len(set(shown)) == len(shown), "an image is used twice"
            wrong = (classes[shown] != layout.classes[images >= 0]).sum()
            assert wrong == round((1 - reliability) * len(shown))
        assert (layout.labels != layout.classes).sum() == round(setting.label_noise * n)


def test_classes_are_as_equal_as_images_allow():
    rng = np.random.default_rng(0)
    for _ in range(200):
        limits = rng.integers(0, 50, size=rng.integers(1, 11))
        total = int(rng.integers(0, limits.sum() + 1))
        found = even_split(rng, total, limits)
        assert found.sum() == total and (found <= limits).all()
        free = found < limits
        assert not free.any() or found.max() <= found[free].min() + 1
    with pytest.raises(pathjax.InputError, match="choose at most 3"):
        even_split(rng, 4, np.array([1, 2]))


def test_what_is_random_is_uniform():
    """Chi-squared tests of wrong classes, wrong labels, positions and images, corrected for their number."""
    k, n = 5, 2000
    classes = np.arange(4 * n) % k
    counts = domino_counts(0.6, 0.7, len(classes), len(classes), num=n)
    p_values = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = lay_out(rng, counts, classes, classes, num_classes=k, reliability=(0.5, 0.7), label_noise=0.4)
        has_m, has_c = found.m >= 0, found.c >= 0
        for images in (found.m, found.c):
            at = images >= 0
            away = (classes[images[at]] - found.classes[at]) % k
            p_values.append(stats.chisquare(np.bincount(away, minlength=k)[1:]).pvalue)
            p_values.append(stats.chisquare(np.histogram(images[at], 10, (0, len(classes)))[0]).pvalue)
        noisy = (found.labels - found.classes) % k
        p_values.append(stats.chisquare(np.bincount(noisy, minlength=k)[1:]).pvalue)
        first = np.arange(n) < n // 2
        wrong_m = has_m & (classes[found.m] != found.classes)
        wrong_c = has_c & (classes[found.c] != found.classes)
        both = has_m & has_c
        for one, other in (
            (has_m, first),
            (wrong_m[both], wrong_c[both]),
            (noisy > 0, has_m),
            (wrong_m[has_m], first[has_m]),
        ):
            table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
            p_values.append(stats.chi2_contingency(table).pvalue)
    assert len(p_values) == 8 * 9 and holm(p_values).min() > 0.05


def test_sides_are_drawn_independently_without_a_joint_share():
    counts = domino_counts(0.5, 0.4, 1000, 1000, num=1000)
    assert (counts.both, counts.only_m, counts.only_c, counts.empty) == (200, 300, 200, 300)


def test_the_largest_number_of_dominoes_is_the_largest():
    rng = np.random.default_rng(1)
    for _ in range(200):
        p_m, p_c = rng.uniform(0.05, 1, 2)
        sizes = tuple(int(n) for n in rng.integers(20, 500, 2))
        pairs = int(rng.integers(10, min(sizes) + 1))
        largest = domino_counts(p_m, p_c, *sizes, num_pairs=pairs).num
        domino_counts(p_m, p_c, *sizes, num=largest, num_pairs=pairs)
        with pytest.raises(pathjax.InputError, match=f"choose at most {largest} dominoes"):
            domino_counts(p_m, p_c, *sizes, num=largest + 1, num_pairs=pairs)


def test_the_solution_solves_the_constraints():
    """The system of equations of docs/dominoes.md, solved as a linear system."""
    n, n_m, n_c, p_m, p_c, p_mc = 800, 1000, 1200, 0.75, 0.5, 0.25
    rows = [  # unknowns: rejected, one-sided and two-sided images of m and of c, empty dominoes
        [1, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0, -1, 0],
        [0, 1, 1, 0, 1, 0, 1],
        [0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 0, 0],
    ]
    solved = np.linalg.solve(np.array(rows, float), [n_m, n_c, 0, n, n * p_m, n * p_c, n * p_mc])
    found = domino_counts(p_m, p_c, n_m, n_c, num=n, both=p_mc)
    expected = [found.rejected_m, found.only_m, found.both, found.rejected_c, found.only_c, found.both, found.empty]
    np.testing.assert_allclose(solved, expected)


@pytest.mark.parametrize(("sign", "num_solutions"), [(1, 0), (-1, 1)])
def test_the_system_without_empty_dominoes(sign, num_solutions):
    """The matrix of the project's notes, whose sign of N leaves only zero; with the right one, any N solves it."""
    n_m, n_c, p_m, p_c = 1000, 1200, 0.75, 0.5
    rows = [  # unknowns: one-sided and two-sided fractions of m and of c, and N
        [0, n_m, 0, -n_c, 0],
        [n_m, n_m, n_c, 0, sign],
        [n_m, n_m, 0, 0, -p_m],
        [0, 0, n_c, n_c, -p_c],
        [n_m, 0, n_c, 0, -(2 - p_m - p_c)],
    ]
    assert 5 - np.linalg.matrix_rank(np.array(rows)) == num_solutions
    if num_solutions:
        found = np.linalg.svd(np.array(rows))[2][-1]
        np.testing.assert_allclose(found[:4] / found[4] * [n_m, n_m, n_c, n_c], [0.5, 0.25, 0.25, 0.25])


def test_images_of_other_classes_that_run_out_are_refused_or_swapped():
    counts = domino_counts(1.0, 0.0, 10, 10, num=10)
    classes = np.arange(10) % 2
    found = lay_out(np.random.default_rng(0), counts, classes, classes, num_classes=2, reliability=(0.0, 1.0))
    assert (classes[found.m] != found.classes).all() and len(set(found.m)) == 10
    with pytest.raises(pathjax.InputError, match="images of other classes do not suffice for 10 wrong sides m"):
        lay_out(np.random.default_rng(0), counts, np.zeros(10, int), classes, num_classes=2, reliability=(0.0, 1.0))


def test_settings_that_images_allow_are_not_refused():
    """Wrong sides whose choice matters, a joint count that rounding moves, and test sets of unequal classes."""
    classes = np.repeat([0, 1], [5, 6])
    counts = domino_counts(1.0, 1.0, 11, 24, num=11, num_pairs=11)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        found = lay_out(rng, counts, classes, np.repeat([0, 1], [7, 17]), num_classes=2, reliability=(0.5, 1.0))
        assert (classes[found.m] != found.classes).sum() == round(0.5 * 11)
    assert domino_counts(0.75, 0.75, 2001, 2000, both=0.5, num_pairs=1001).both == 1001
    images = Images(*[(np.ones((100, 1, 1, 1), np.float32), np.repeat([0, 1], [70, 30]))] * 2)
    conflict = dominoes(Dominoes(), images, images, num_classes=2).probes["conflict"][1]
    assert len(conflict["m"]) > 50 and (conflict["m"] != conflict["c"]).all()


def test_wrong_sides_are_refused_if_and_only_if_no_assignment_exists():
    """Against an integer program over all ways to fill the sides with images of right and wrong classes."""
    num_possible = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        k = int(rng.integers(2, 5))
        shown = rng.integers(0, 8, k)
        available = shown + rng.integers(0, 3, k) * (rng.random(k) < 0.4)
        n = int(shown.sum())
        if n == 0:
            continue
        reliability = float(rng.choice([0, 0.1, 0.25, 0.5, 0.75]))
        num_wrong = round((1 - reliability) * n)
        # x[i, j] sides of class i show class j.
        own = np.eye(k).ravel()
        rows = [np.kron(np.eye(k)[i], np.ones(k)) for i in range(k)]
        columns = [np.kron(np.ones(k), np.eye(k)[j]) for j in range(k)]
        equal, totals = np.stack([*rows, own]), [*shown, n - num_wrong]
        found = optimize.linprog(np.zeros(k * k), np.stack(columns), available, equal, totals, integrality=1)
        labels, images = np.repeat(np.arange(k), shown), np.repeat(np.arange(k), available)
        arguments = (labels, np.ones(n, bool), np.bincount(images, minlength=k), reliability, "m")
        if found.status == 0:
            num_possible += 1
            drawn = _shown(rng, *arguments)
            assert (drawn != labels).sum() == num_wrong and (np.bincount(drawn, minlength=k) <= available).all()
        else:
            with pytest.raises(pathjax.InputError, match="do not suffice"):
                _shown(rng, *arguments)
    assert 30 < num_possible < 100


def test_each_side_shows_what_it_should():
    """Images whose pixels are their class: everything can be read off."""
    rng = np.random.default_rng(0)
    classes = [np.arange(60) % 4, np.arange(48) % 4]
    m, c = (
        Images(*[((1 + own[:, None, None, None]) * np.ones((1, 2, 2, 1), np.float32) * scale, own)] * 2)
        for own, scale in zip(classes, (1.0, 10.0), strict=True)
    )
    made_of = Dominoes(m=Side("", prevalence=0.75, reliability=0.8), c=Side("", prevalence=0.5))
    found = dominoes(made_of, m, c, num_classes=4, num_train=40, seed=int(rng.integers(9)))
    images, labels = found.train
    top, bottom = images[:, 0, 0, 0], images[:, 2, 0, 0] / 10
    assert (top > 0).sum() == 30 and (bottom > 0).sum() == 20 and images.shape == (40, 4, 2, 1)
    assert (top[top > 0] != labels[top > 0] + 1).sum() == 6 and (bottom[bottom > 0] == labels[bottom > 0] + 1).all()
    for name, (probe, own) in found.probes.items():
        shown = {"m": probe[:, 0, 0, 0] - 1, "c": probe[:, 2, 0, 0] / 10 - 1}
        if name == "conflict":
            assert all((shown[side] == own[side]).all() for side in "mc") and (own["m"] != own["c"]).all()
        elif name in "mc":
            (other,) = set("mc") - {name}
            assert (shown[name] == own).all() and (shown[other] == -1).all()
        else:
            right = {side: (shown[side] == own).mean() for side in "mc"}
            spoiled = name.partition("_")[0]
            for side in "mc":
                assert (right[side] < 0.6) if spoiled == side else (right[side] == 1)


def test_degrading_does_what_it_says():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(50, 8, 8, 1)).astype(np.float32)
    noisy = degraded(np.random.default_rng(1), images, Side("", noise=0.3)) - images
    assert abs(noisy.std() - 0.3) < 0.01 and abs(noisy.mean()) < 0.02
    np.testing.assert_allclose(degraded(rng, images, Side("", contrast=0.25)), images / 4, rtol=1e-6)
    coarse = degraded(rng, images, Side("", resolution=1))
    assert np.ptp(coarse, axis=(1, 2)).max() < 1e-6
    blurred = degraded(rng, images, Side("", blur=1.0))
    # White noise of variance v has v / (4 pi sigma^2) after a Gaussian blur, away from the border.
    assert abs(blurred[:, 3:5, 3:5].var() / (images.var() / (4 * np.pi)) - 1) < 0.25
    with pytest.raises(pathjax.InputError, match="resolution 9 does not fit images of 8 x 8: choose 1 to 8"):
        degraded(rng, images, Side("", resolution=9))
    with pytest.raises(pathjax.InputError, match="blur -1 of a side is out of range"):
        degraded(rng, images, Side("", blur=-1.0))


def test_gratings_have_one_angle_for_each_class_and_no_mean_image():
    (images, labels), _ = gratings(size=16, sd=0.0)
    spectrum = np.abs(np.fft.fft2(images[..., 0] - 0.5, s=(64, 64)))[:, :, :32]
    spectrum[:, :, 0] = 0
    y, x = np.unravel_index(spectrum.reshape(len(images), -1).argmax(1), spectrum.shape[1:])
    angle = np.arctan2(np.where(y > 32, y - 64, y), x)
    apart = (angle - np.pi * labels / 10 + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(apart)[(labels > 0) & (labels != 5)].max() < np.pi / 20
    means = np.stack([images[labels == label].mean(0) for label in range(10)])
    assert np.abs(means - 0.5).max() < 0.2  # 150 images: 0.35 / sqrt(150) = 0.03 is one standard error


def test_dominoes_of_named_sets_and_their_options():
    found = load_dataset("dominoes", num_train=200, num_test=100, standardize=True)
    assert found.train[0].shape == (200, 16, 8, 1) and found.test[0].shape == (100, 16, 8, 1)
    assert found.origin["counts"]["rejected_m"] == 1300 and found.origin["dominoes"]["m"]["source"] == "digits"
    assert abs(found.train[0].mean()) < 1e-5 and np.abs(found.probes["m"][0][:, :8]).max() > 1
    other = load_dataset("dominoes", num_train=200, num_test=100, standardize=True, seed=1)
    assert other.origin["sha256"] != found.origin["sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dominoes": Dominoes(num_classes=11)}, "num_classes=11 of dominoes is out of range: choose 2 to 10"),
        ({"balanced": True}, "leave balanced False"),
        ({"dominoes": Dominoes(m=Side("moons"))}, "'moons' has no labeled images"),
        ({"dominoes": Dominoes(m=Side("dominoes"))}, "cannot be dominoes"),
        ({"dominoes": Dominoes(c=Side("nothing"))}, "unknown data set 'nothing'"),
        ({"num_train": 1501}, "choose at most"),
        ({"dominoes": Dominoes(m=Side("digits", prevalence=1.5))}, "prevalence of side m 1.5 is out of range"),
        ({"dominoes": Dominoes(m=Side("digits", reliability=-1.0))}, "reliability of side m -1 is out of range"),
    ],
)
def test_what_dominoes_cannot_be_is_said(options, message):
    with pytest.raises(pathjax.InputError, match=message):
        load_dataset("dominoes", **options)


def test_dominoes_that_are_all_empty_need_a_number():
    with pytest.raises(pathjax.InputError, match="give num"):
        domino_counts(0.0, 0.0, 10, 10)
    assert domino_counts(0.0, 0.0, 10, 10, num=5).empty == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1e-310, 0.5, 10, 10), "prevalence of side m 1e-310 is out of range: choose 0, or 1e-06 to 1"),
        ((0.5, 0.5, 0, 10), "set m has no images"),
        ((0.5, 0.5, 10, 10, 7.5), "num must be an integer, not 7.5"),
        ((0.5, 0.5, 10, 10, 0), "num must be 1 or more, not 0"),
        ((1.0, 1.0, 10, 10, None, 0), "no class has images in both sets"),
    ],
)
def test_counts_that_are_none_are_refused(arguments, message):
    names = ("prevalence_m", "prevalence_c", "num_m", "num_c", "num", "num_pairs")
    with pytest.raises(pathjax.InputError, match=message):
        domino_counts(**dict(zip(names, arguments, strict=False)))


def test_sides_that_do_not_fit_are_refused():
    wide, narrow = (Images(*[(np.ones((40, 2, width, 1), np.float32), np.arange(40) % 4)] * 2) for width in (3, 2))
    with pytest.raises(pathjax.InputError, match="one width and number of channels"):
        dominoes(Dominoes(), wide, narrow, num_classes=4)
    with pytest.raises(pathjax.InputError, match="num_classes must be 2 or more, not 1"):
        dominoes(Dominoes(), wide, wide, num_classes=1)
    rare = Dominoes(m=Side("", prevalence=0.01), c=Side("", prevalence=0.01))
    with pytest.raises(pathjax.InputError, match="80 images would make .* are empty: give num_train"):
        dominoes(rare, wide, wide, num_classes=4)
    with pytest.raises(pathjax.InputError, match="resolution of a side must be an integer, not 2.5"):
        degraded(np.random.default_rng(0), np.ones((1, 4, 4, 1), np.float32), Side("", resolution=2.5))
