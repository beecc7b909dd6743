import json

import numpy as np
import pytest

import pathjax
from pathjax.data import DATASETS, load_dataset
from pathjax.data.induction import induction, induction_targets, repeated
from pathjax.data.preprocessing import standardized
from pathjax.data.synthetic import SYNTHETIC, slabs, spirals
from pathjax.data.teacher import teacher_student


def test_digits_have_a_fixed_order_and_pixels_in_the_unit_interval():
    one, two = load_dataset("digits"), load_dataset("digits")
    np.testing.assert_array_equal(one.train[0], two.train[0])
    assert one.test[0].shape == (297, 8, 8, 1) and one.train[0].min() == 0 and one.train[0].max() == 1
    assert set(one.test[1]) == set(range(10))


def test_an_unknown_set_is_rejected():
    with pytest.raises(pathjax.InputError, match="unknown data set 'minst': choose one of digits"):
        load_dataset("minst")


@pytest.mark.parametrize("name", sorted(SYNTHETIC))
def test_synthetic_sets_are_reproducible_with_balanced_classes(name):
    one, two = load_dataset(name), load_dataset(name)
    np.testing.assert_array_equal(one.train[0], two.train[0])
    assert one.train[0].dtype == np.float32 and one.train[1].dtype == np.int32
    shares = np.bincount(one.train[1], minlength=one.num_classes) / len(one.train[1])
    np.testing.assert_allclose(shares, 1 / one.num_classes, atol=0.03)


def test_other_seeds_give_other_draws():
    for draw, _ in SYNTHETIC.values():
        (inputs, _), _ = draw(seed=0)
        assert (draw(seed=1)[0][0] != inputs).any()


@pytest.mark.parametrize("num_slabs", [3, 5, 7])
def test_only_two_inputs_predict_the_class_of_slabs(num_slabs):
    (inputs, labels), _ = slabs(num_slabs, margin=0.05)
    assert ((inputs[:, 0] > 0) == (labels == 1)).all()
    which = np.floor((inputs[:, 1] + 1) * num_slabs / 2)
    assert (which % 2 == labels).all() and set(which) == set(range(num_slabs))
    for other in inputs[:, 2:].T:
        assert abs(np.corrcoef(other, labels)[0, 1]) < 0.1
    linear = np.abs(np.corrcoef(inputs[:, 1], labels)[0, 1])
    assert linear < 0.1  # no line separates slabs


def test_the_angle_at_a_radius_predicts_the_spiral():
    (inputs, labels), _ = spirals(num_classes=3, sd=0.0)
    radius = np.linalg.norm(inputs, axis=1)
    angle = np.arctan2(inputs[:, 1], inputs[:, 0]) - 2 * np.pi * 1.5 * radius
    np.testing.assert_array_equal(np.round(angle * 3 / (2 * np.pi)) % 3, labels)


@pytest.mark.parametrize("name", ["digits", "moons", "teacher_student", "induction"])
def test_the_origin_is_json_with_the_digest_of_the_arrays(name):
    one = load_dataset(name)
    assert json.loads(json.dumps(one.origin)) == one.origin and one.origin["name"] == name
    assert one.origin["sizes"] == {"train": len(one.train[0]), "test": len(one.test[0])}
    assert load_dataset(name, sha256=one.origin["sha256"]).origin == one.origin
    fewer = load_dataset(name, num_test=100)
    assert fewer.origin["sha256"] != one.origin["sha256"]
    with pytest.raises(pathjax.InputError, match=f"{one.origin['sha256']}, but {fewer.origin['sha256']} was expected"):
        load_dataset(name, sha256=fewer.origin["sha256"])


def test_subsets_depend_on_the_seed():
    full = load_dataset("digits")
    one, same, other = (load_dataset("digits", num_train=200, num_test=50, seed=seed) for seed in (0, 0, 1))
    assert one.origin == same.origin and one.origin["seed"] == 0 and one.origin["num_train"] == 200
    assert (one.train[0] != other.train[0]).any() and (one.test[0] != other.test[0]).any()
    where = {image.tobytes(): label for image, label in zip(*full.train, strict=True)}
    assert [where[image.tobytes()] for image in one.train[0]] == one.train[1].tolist()
    assert len({image.tobytes() for image in one.train[0]}) == 200


def test_balanced_subsets_have_equal_classes():
    most = load_dataset("digits", balanced=True)
    rarest = np.bincount(load_dataset("digits").train[1]).min()
    assert np.bincount(most.train[1]).tolist() == [rarest] * 10
    assert np.bincount(load_dataset("digits", balanced=True, num_train=50).train[1]).tolist() == [5] * 10
    assert len(most.test[0]) == 297  # unchanged


def test_standardized_inputs_have_mean_zero_and_unit_variance():
    images = load_dataset("digits", standardize=True)
    assert images.train[0].dtype == np.float32
    np.testing.assert_allclose((images.train[0].mean(), images.train[0].std()), (0, 1), atol=1e-5)
    vectors = load_dataset("slabs", standardize=True)
    np.testing.assert_allclose(vectors.train[0].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(vectors.train[0].std(0), 1, atol=1e-5)
    raw = load_dataset("slabs")
    expected = (raw.test[0] - raw.train[0].mean(0)) / raw.train[0].std(0)  # with the training set's statistics
    np.testing.assert_allclose(vectors.test[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_label_noise_replaces_exactly_its_share_by_other_classes(name):
    clean, noisy = load_dataset(name), load_dataset(name, label_noise=0.2)
    np.testing.assert_array_equal(clean.train[0], noisy.train[0])
    np.testing.assert_array_equal(clean.test[1], noisy.test[1])
    away = (noisy.train[1] - clean.train[1]) % clean.num_classes
    assert (away > 0).sum() == 300 and noisy.train[1].dtype == np.int32 and noisy.origin["label_noise"] == 0.2
    if name == "digits":
        counts = np.bincount(away, minlength=10)[1:]
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 26.1  # chi-squared, 8 degrees, p = 0.001


def test_circles_and_xor_are_what_they_say():
    inputs, labels = load_dataset("circles").train
    radius = np.linalg.norm(inputs, axis=1)
    assert abs(radius[labels == 0].mean() - 1) < 0.02 and abs(radius[labels == 1].mean() - 0.5) < 0.02
    inputs, labels = load_dataset("xor").train
    assert ((inputs[:, 0] * inputs[:, 1] < 0) == (labels == 1)).mean() > 0.98
    centers = [inputs[(np.sign(inputs) == signs).all(1)].mean(0) for signs in ((1, 1), (-1, 1))]
    np.testing.assert_allclose(centers, [(1, 1), (-1, 1)], atol=0.1)


def test_constant_inputs_become_zero():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(1000, 3)).astype(np.float32) + np.float32(1000)
    train[:, 1] = 0.1
    inputs, other = standardized(train, train[:5] + np.float32(1))
    assert (inputs[:, 1] == 0).all() and (other[:, 1] == 0).all()
    np.testing.assert_allclose(inputs[:, [0, 2]].std(0), 1, atol=1e-3)
    colors = rng.uniform(size=(50, 4, 4, 3)).astype(np.float32) * np.float32([1, 0, 5])
    inputs, _ = standardized(colors, colors)
    np.testing.assert_allclose(inputs.std((0, 1, 2)), [1, 0, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train": 0}, "choose 1 to 1500"),
        ({"num_test": 298}, "num_test=298 is out of range: choose 1 to 297"),
        ({"num_train": 1.5}, "num_train of the data set must be an integer, not 1.5"),
        ({"balanced": True, "num_train": 101}, "choose a multiple of 10"),
        ({"balanced": True, "num_train": 1500}, "cannot be 10 equal classes"),
        ({"image_size": 0}, "choose 1 or more"),
        ({"seed": -1}, "choose 0 to 2"),
        ({"label_noise": 1.5}, "label_noise=1.5 is out of range: choose 0 to 1"),
        ({"sha256": "abc"}, "'abc' is not a SHA-256: expected 64 hexadecimal digits"),
        ({"colour": True}, "unknown data set option 'colour'"),
    ],
)
def test_invalid_options_give_one_line(options, message):
    with pytest.raises(pathjax.InputError, match=message) as caught:
        load_dataset("digits", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("moons", {"image_size": 8}, "this set has none"),
        ("teacher_student", {"balanced": True}, "labels that are classes"),
        ("induction", {"standardize": True}, "these are tokens"),
        ("induction", {"context": 1}, "choose 2 or more"),
        ("induction", {"vocabulary_size": 10}, "choose 33 or more"),
    ],
)
def test_options_of_other_kinds_of_sets_give_one_line(name, options, message):
    with pytest.raises(pathjax.InputError, match=message):
        load_dataset(name, **options)


@pytest.mark.parametrize("name", ["", "/etc", "..", "a b", "digits/8x8", "Mnist?"])
def test_invalid_names_are_unknown(name):
    with pytest.raises(pathjax.InputError, match="unknown data set"):
        load_dataset(name)
    assert name not in DATASETS


def test_the_teacher_is_fixed_and_its_targets_exact():
    (inputs, targets), (_, test_targets) = teacher_student(num_inputs=5, num_hidden=3)
    assert inputs.shape == (1500, 5) and targets.shape == (1500, 1) and targets.dtype == np.float32
    (_, noisy), (_, same) = teacher_student(num_inputs=5, num_hidden=3, sd=0.5)
    np.testing.assert_array_equal(same, test_targets)
    np.testing.assert_allclose((noisy - targets).std(), 0.5, rtol=0.1)
    variances = [teacher_student(num_hidden=100, seed=seed)[0][1].var() for seed in range(20)]
    assert 0.6 < np.mean(variances) < 1.1
    dataset = load_dataset("teacher_student")
    assert dataset.num_classes == 1 and dataset.num_tokens is None
    with pytest.raises(pathjax.InputError, match="choose 1 or more"):
        teacher_student(num_hidden=0)
    with pytest.raises(pathjax.InputError, match="choose 0 or more"):
        teacher_student(sd=-1.0)


def test_induction_is_predicted_only_by_looking_back():
    (inputs, labels), (few, _) = induction()
    assert inputs.shape == labels.shape == (20_000, 64) and few.shape == (1000, 64) and inputs.dtype == np.int32
    assert (inputs[:, 1:] == labels[:, :-1]).all()
    targets, known = induction_targets(inputs, labels), repeated(inputs, labels)
    rows, places = np.nonzero(known)
    np.testing.assert_array_equal(inputs[rows, targets[rows, places]], labels[rows, places])
    np.testing.assert_array_equal(inputs[rows, targets[rows, places] - 1], inputs[rows, places])
    assert (targets[rows, places] <= places).all()
    # Predictable: the second half's 32 tokens except the first one and the one after the first half's last token.
    assert not known[:, :33].any() and set(known[:, 33:].sum(1)) == {30, 31}
    # No token alone and no distance back predicts the next token.
    counts = np.bincount(labels.ravel())
    assert len(counts) == 64 and counts.std() / counts.mean() < 0.02
    assert np.bincount(places - targets[rows, places]).max() / len(places) < 0.05


@pytest.mark.parametrize(("context", "vocabulary_size"), [(2, 2), (5, None), (16, 9), (20, 200)])
def test_tokens_of_an_induction_sequence_occur_twice_at_most(context, vocabulary_size):
    (inputs, labels), _ = induction(context, vocabulary_size, seed=3)
    tokens = np.concatenate([inputs, labels[:, -1:]], axis=1)[:500]
    half = context // 2 + 1
    for part in (tokens[:, :half], tokens[:, half:]):
        assert all(len(set(row)) == part.shape[1] for row in part.tolist())
    assert all(set(row[half:]) <= set(row[:half]) for row in tokens.tolist())


def test_induction_targets_of_any_tokens_agree_with_a_plain_search():
    tokens = np.random.default_rng(0).integers(0, 5, (20, 30))
    inputs, labels = tokens[:, :-1], tokens[:, 1:]
    for row, next_row, found in zip(inputs, labels, induction_targets(inputs, labels), strict=True):
        for place in range(29):
            earlier = [i for i in range(place) if row[i] == row[place]]
            predicts = earlier and row[earlier[-1] + 1] == next_row[place]
            assert found[place] == (earlier[-1] + 1 if predicts else -1)
