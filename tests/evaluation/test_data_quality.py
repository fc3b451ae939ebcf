"""The statistics about data quality, against planted errors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import copies, feature_space, image_quality, label_errors, slices
from dogs_vs_cats.evaluation.label_issues import list_issues
from tests.evaluation.planted import CLASSES, two_classes, with_ordinary_measures


def test_contradictory_copies_are_found_and_listed_first() -> None:
    points, photos = two_classes(200)
    copied = photos.iloc[:30].assign(
        path=[f"copy{number}.jpg" for number in range(30)], label=lambda it: 1 - it["label"]
    )
    photos = pd.concat([photos, copied], ignore_index=True)
    probability = label_errors.out_of_fold(np.vstack([points, points[:30]]), photos, 0.01, seed=0)

    found = copies.compare(photos, probability)
    errors = label_errors.judge(probability, photos)
    issues = list_issues(
        photos, photos, errors, found, image_quality.find_junk(with_ordinary_measures(photos)), CLASSES
    )

    assert set(found["copies"]) == set(range(30))
    assert found["contradicts"].all()
    assert not found["crosses"].any()
    assert (issues["kind"][:30] == "contradiction").all()
    assert issues["path"][:30].str.startswith("copy").mean() >= 0.9
    assert not issues["path"].duplicated().any()


def test_a_copy_of_a_test_photo_is_left_out_of_the_training() -> None:
    _, photos = two_classes(40)
    photos = photos.assign(copies=photos["copies"].replace({2: 0}))
    photos.loc[2, "split"] = "test"
    probability = np.tile([0.5, 0.5], (40, 1))
    errors = label_errors.judge(np.eye(2)[photos["label"]] * 0.8 + 0.1, photos)

    found = copies.compare(photos, probability)
    issues = list_issues(
        photos, photos, errors, found, image_quality.find_junk(with_ordinary_measures(photos)), CLASSES
    )

    assert issues[["path", "action", "kind"]].to_numpy().tolist() == [["0.jpg", "leave_out", "copy"]]


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
    photos = with_ordinary_measures(two_classes()[1])
    photos.loc[7, column] = value

    junk = image_quality.find_junk(photos)

    assert junk["kind"].to_dict() == {7: kind}


def test_a_source_that_is_dark_as_a_whole_is_no_junk() -> None:
    photos = with_ordinary_measures(two_classes()[1])

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
    points, photos = two_classes()
    points[5] = 30 * np.array([1, -1] * 4, np.float32)

    assert image_quality.distances(points, photos["label"].to_numpy(), seed=0).argmax() == 5


def test_a_weak_slice_is_found_and_the_others_are_not() -> None:
    _, photos = two_classes()
    photos = with_ordinary_measures(photos).assign(width=300, height=200)
    right = pd.Series(np.random.default_rng(0).random(400) < 0.95, photos.index)
    right &= photos["brightness"].rank() > 40

    found = slices.compare(slices.slices_of(photos, CLASSES), {"one": right.to_frame("right")})

    worse = found[found["worse"]]
    assert worse["subject"].tolist() == ["brightness"]
    assert (worse["low"] < worse["accuracy"]).all()
    assert (worse["accuracy"] < worse["high"]).all()
    assert set(found["subject"]) == {"class", "brightness", "sharpness", "shorter side"}


@pytest.mark.parametrize(
    ("column", "values", "names"),
    [
        ("short_side", [2448, 3018, 3020, 4000], ["2,448", "3,018", "3,020", "4,000"]),
        ("short_side", [1500, 1500, 3020, 3020], ["1,500", "3,020"]),
        ("brightness", [127.1, 127.9, 128.1, 128.9], ["127.1", "127.9", "128.1", "128.9"]),
        ("brightness", [127.9, 128.1, 128.41, 128.44], ["127.90", "128.10", "128.41", "128.44"]),
        ("brightness", range(100, 140), ["100 to 109", "110 to 119", "120 to 129", "130 to 139"]),
        ("sharpness", [0.2, 0.3, 0.4, 0.5], ["0.20", "0.30", "0.40", "0.50"]),
    ],
)
def test_quarters_have_names_of_their_own_that_people_can_read(
    column: str, values: Sequence[float], names: list[str]
) -> None:
    """Phone photos have 3,000 pixels, and a source may be of one brightness."""
    photos = with_ordinary_measures(two_classes(40)[1]).assign(
        width=4000, height=3000, **{column: np.repeat(values, 40 // len(values))}
    )

    found = slices.slices_of(photos, CLASSES)[slices.MEASURES[column][0]]

    assert found.cat.categories.tolist() == names
    assert found.map(names.index).is_monotonic_increasing


def test_photos_of_one_patient_are_no_weak_spot() -> None:
    """The photos of a group are right or wrong together, so that the interval and the test count groups."""
    photos = with_ordinary_measures(two_classes()[1]).assign(width=300, height=200)
    bright, patients = np.arange(400) >= 300, np.arange(400) // 25
    photos["brightness"] = np.where(bright, 200, 100) + np.arange(400) / 400
    right = pd.DataFrame({"right": patients != 14}, photos.index)
    parts = slices.slices_of(photos, CLASSES)[["brightness"]]

    alone, grouped = (slices.compare(parts, {"one": table}) for table in (right, right.assign(group=patients)))

    assert alone["worse"].tolist() == [False, False, False, True]
    assert not grouped["worse"].any()
    assert alone["low"].iloc[-1] > 0.6
    assert grouped["low"].iloc[-1] < 0.3


def test_answers_belong_to_their_photos_and_know_their_groups() -> None:
    photos = pd.DataFrame({"path": ["a", "b", "c"]}, [5, 6, 7])
    tested = {"path": ["c", "a"], "label": [0, 1], "predicted": [1, 1], "split": "test", "group": [3, 4]}

    found = slices.answers_of(photos, pd.DataFrame(tested))

    assert found.to_dict("index") == {5: {"right": True, "group": 4}, 7: {"right": False, "group": 3}}


def test_the_nearest_neighbour_is_alike_but_not_of_the_same_group() -> None:
    points, _ = two_classes(50)
    points[9], points[10] = points[3] * 1.01, points[3]
    groups = np.arange(50)
    groups[10] = 3

    (found,) = feature_space.nearest(points, np.array([3]), np.arange(50), groups, 2)

    assert found[0] == 9
    assert not set(found) & {3, 10}


def test_a_photo_whose_whole_split_is_of_its_group_has_no_neighbours() -> None:
    points, _ = two_classes(50)

    (found,) = feature_space.nearest(points, np.array([3]), np.array([3, 10]), np.zeros(50, int), 2)

    assert len(found) == 0
