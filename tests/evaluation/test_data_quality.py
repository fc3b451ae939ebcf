"""The statistics about data quality, against planted errors."""

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import copies, feature_space, image_quality, label_errors, slices, training_size
from dogs_vs_cats.evaluation.label_issues import list_issues

CLASSES = ["cat", "dog"]


def _two_classes(count: int = 400, apart: float = 4.0) -> tuple[np.ndarray, pd.DataFrame]:
    """Points of two classes, and a table of their photos."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    points = random.normal(size=(count, 8)).astype(np.float32)
    points[:, 0] += np.float32(apart) * labels
    paths = [f"{number}.jpg" for number in range(count)]
    groups = np.arange(count)
    table = {"path": paths, "label": labels, "split": "train", "group": groups, "copies": groups}
    return points, pd.DataFrame(table)


def test_flipped_labels_come_first_and_are_counted() -> None:
    points, photos = _two_classes()
    flipped = np.random.default_rng(1).choice(400, 20, replace=False)
    labels = photos["label"].to_numpy().copy()
    labels[flipped] = 1 - labels[flipped]
    photos = photos.assign(label=labels)

    strength = label_errors.choose_penalty(points, photos)
    probability = label_errors.out_of_fold(points, photos, strength, seed=0)
    errors = label_errors.judge(probability, photos)

    assert np.isin(errors.ranking.index[:20], flipped).mean() >= 0.9
    assert 0.04 <= errors.rate <= 0.07
    nothing = image_quality.find_junk(_measured(photos))
    issues = list_issues(photos, errors, copies.compare(photos, probability), nothing, CLASSES)
    right = [CLASSES[1 - label] for label in photos.loc[issues.index[:10], "label"]]
    assert issues["label"].tolist()[:10] == right
    assert set(issues["action"]) == {"relabel"}


def _measured(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos with ordinary measures, which differ a little."""
    random = np.random.default_rng(2)
    usual = {"brightness": 120.0, "contrast": 50.0, "sharpness": 0.2, "short_side": 300.0, "elongation": 1.3}
    columns = {name: value * random.uniform(0.9, 1.1, len(photos)) for name, value in usual.items()}
    return photos.assign(**columns, distance=random.uniform(0.9, 1.1, len(photos)))


def test_the_joint_is_that_of_the_paper() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    of_dog = np.array([0.1, 0.2, 0.9, 0.9, 0.8, 0.7])
    # Thresholds are the mean probabilities of the own label: 0.6 of cat, 0.8 of dog. The last dog is of neither.
    joint = label_errors.confident_joint(np.column_stack([1 - of_dog, of_dog]), labels)

    np.testing.assert_allclose(joint, [[2 / 6, 1 / 6], [0, 3 / 6]])


def test_a_class_of_one_photo_can_be_judged() -> None:
    points, photos = _two_classes(40)
    photos.loc[0, "label"] = 2

    errors = label_errors.judge(label_errors.out_of_fold(points, photos, 0.01, seed=0), photos)

    assert errors.ranking.index[0] == 0
    np.testing.assert_allclose(errors.joint.sum(), 1)


def test_contradictory_copies_are_found_and_listed_first() -> None:
    points, photos = _two_classes(200)
    copied = photos.iloc[:30].assign(
        path=[f"copy{number}.jpg" for number in range(30)], label=lambda it: 1 - it["label"]
    )
    photos = pd.concat([photos, copied], ignore_index=True)
    probability = label_errors.out_of_fold(np.vstack([points, points[:30]]), photos, 0.01, seed=0)

    found = copies.compare(photos, probability)
    errors = label_errors.judge(probability, photos)
    issues = list_issues(photos, errors, found, image_quality.find_junk(_measured(photos)), CLASSES)

    assert set(found["copies"]) == set(range(30))
    assert found["contradicts"].all()
    assert not found["crosses"].any()
    assert (issues["kind"][:30] == "contradiction").all()
    assert issues["path"][:30].str.startswith("copy").mean() >= 0.9
    assert not issues["path"].duplicated().any()


def test_a_copy_of_a_test_photo_is_left_out_of_the_training() -> None:
    _, photos = _two_classes(40)
    photos = photos.assign(copies=photos["copies"].replace({2: 0}))
    photos.loc[2, "split"] = "test"
    probability = np.tile([0.5, 0.5], (40, 1))
    errors = label_errors.judge(np.eye(2)[photos["label"]] * 0.8 + 0.1, photos)

    found = copies.compare(photos, probability)
    issues = list_issues(photos, errors, found, image_quality.find_junk(_measured(photos)), CLASSES)

    assert issues[["path", "action", "kind"]].to_numpy().tolist() == [["0.jpg", "leave_out", "copy"]]


def test_groupings_are_joined_along_chains() -> None:
    joined = copies.joined(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]))

    assert joined[0] == joined[1] == joined[2]
    assert len(set(joined)) == 3


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("contrast", 0, "blank"),
        ("brightness", 5, "dark"),
        ("brightness", 250, "overexposed"),
        ("sharpness", 0.01, "blurred"),
        ("short_side", 20, "tiny"),
        ("elongation", 6, "extreme shape"),
        ("distance", 3, "unlike the others"),
    ],
)
def test_planted_junk_is_found(column: str, value: float, kind: str) -> None:
    photos = _measured(_two_classes()[1])
    photos.loc[7, column] = value

    junk = image_quality.find_junk(photos)

    assert junk["kind"].to_dict() == {7: kind}


def test_a_source_that_is_dark_as_a_whole_is_no_junk() -> None:
    photos = _measured(_two_classes()[1])

    assert image_quality.find_junk(photos.assign(brightness=photos["brightness"] / 10)).empty


def test_a_blurred_photo_is_less_sharp_and_a_faint_one_is_not() -> None:
    import cv2

    sharp = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    faint = (sharp // 4).astype(np.uint8)

    measured = [image_quality.measure(pixels).sharpness for pixels in (sharp, blurred, faint)]

    assert measured[1] < 0.2 * measured[0]
    assert measured[2] == pytest.approx(measured[0], rel=0.05)


def test_a_photo_far_from_all_others_has_the_largest_distance() -> None:
    points, photos = _two_classes()
    points[5] = 30 * np.array([1, -1] * 4, np.float32)

    assert image_quality.distances(points, photos["label"].to_numpy(), seed=0).argmax() == 5


def test_a_weak_slice_is_found_and_the_others_are_not() -> None:
    _, photos = _two_classes()
    photos = _measured(photos).assign(width=300, height=200)
    right = pd.Series(np.random.default_rng(0).random(400) < 0.95, photos.index)
    right &= photos["brightness"].rank() > 40

    found = slices.compare(slices.slices_of(photos, CLASSES), {"one": right})

    worse = found[found["worse"]]
    assert worse["subject"].tolist() == ["brightness"]
    assert (worse["low"] < worse["accuracy"]).all()
    assert (worse["accuracy"] < worse["high"]).all()
    assert set(found["subject"]) == {"class", "brightness", "sharpness", "shorter side"}


def test_the_curve_finds_the_power_law_it_was_drawn_from() -> None:
    images = np.array([100, 200, 400, 800])
    rows = [
        {"fraction": size, "images": size, "fold": fold, "label": 0, "tested": 100_000}
        | {"wrong": round(100_000 * (0.05 + 2 * size**-0.5))}
        for size in images
        for fold in range(5)
    ]

    curve = training_size.fit_curve(pd.DataFrame(rows), seed=0)

    assert curve.gain[0] == pytest.approx(2 * 800**-0.5 - 2 * 1600**-0.5, abs=1e-3)
    assert curve.fitted[-1] == pytest.approx(1 - 0.05 - 2 * 1600**-0.5, abs=1e-3)


def test_more_photos_help_where_classes_overlap_and_every_photo_is_tested_at_each_size() -> None:
    points, photos = _two_classes(300, apart=2)

    measured = training_size.measure(points, photos, strength=0.1, seed=0)

    assert (measured.groupby("fraction")["tested"].sum() == 300).all()
    assert (
        measured["images"].is_monotonic_increasing or measured.groupby("fold")["images"].is_monotonic_increasing.all()
    )


def test_the_nearest_neighbour_is_a_copy_but_not_the_photo_itself() -> None:
    points, _ = _two_classes(50)
    points[9] = points[3] * 1.01

    assert feature_space.nearest(points, np.array([3]), np.arange(50), 2)[0, 0] == 9


def test_features_are_averaged_over_positions() -> None:
    maps = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)

    np.testing.assert_allclose(feature_space.averaged(maps.reshape(2, -1), 3), maps.mean(axis=(1, 2)))
