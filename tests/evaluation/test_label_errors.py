"""Probably wrong labels, against planted errors."""

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import copies, image_quality, label_errors
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.evaluation.label_issues import list_issues
from tests.evaluation.planted import CLASSES, two_classes, with_ordinary_measures


def judged(points: np.ndarray, photos: pd.DataFrame) -> LabelErrors:
    strength = label_errors.choose_penalty(points, photos)
    return label_errors.judge(label_errors.out_of_fold(points, photos, strength, seed=0), photos)


def test_flipped_labels_come_first_and_are_counted() -> None:
    points, photos = two_classes()
    flipped = np.random.default_rng(1).choice(400, 20, replace=False)
    labels = photos["label"].to_numpy().copy()
    labels[flipped] = 1 - labels[flipped]
    photos = photos.assign(label=labels)

    errors = judged(points, photos)

    assert np.isin(errors.ranking.index[:20], flipped).mean() >= 0.9
    assert 0.04 <= errors.rate <= 0.07
    nothing = image_quality.find_junk(with_ordinary_measures(photos))
    no_copies = copies.compare(photos, np.tile([0.5, 0.5], (400, 1)))
    issues = list_issues(photos, photos, errors, no_copies, nothing, CLASSES)
    right = [CLASSES[1 - label] for label in photos.loc[issues.index[:10], "label"]]
    assert issues["label"].tolist()[:10] == right
    assert set(issues["action"]) == {"relabel"}


@pytest.mark.parametrize("apart", [0, 1, 2.5])
def test_the_estimate_is_an_upper_bound_where_right_labels_can_hardly_be_predicted(apart: float) -> None:
    errors = judged(*two_classes(apart=apart))

    assert errors.is_upper_bound == (apart < 2)
    assert (errors.rate > 0.1) == (apart < 2)


def test_the_joint_is_that_of_the_paper() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    of_dog = np.array([0.1, 0.2, 0.9, 0.9, 0.8, 0.7])
    # Thresholds are the mean probabilities of the own label: 0.6 of cat, 0.8 of dog. The last dog is of neither.
    joint = label_errors.confident_joint(np.column_stack([1 - of_dog, of_dog]), labels)

    np.testing.assert_allclose(joint, [[2 / 6, 1 / 6], [0, 3 / 6]])


def test_a_class_with_one_group_is_not_judged_and_leaves_the_others_as_they_are() -> None:
    points, photos = two_classes()
    hamsters = [0, 2, 4]  # three photos of the same hamster
    photos.loc[hamsters, "label"] = 2
    photos.loc[hamsters, "group"] = 0

    errors = judged(points, photos)

    assert not errors.ranking.index.isin(hamsters).any()
    assert len(errors.ranking) == 397
    assert errors.rate < 0.02
    np.testing.assert_allclose(errors.joint.sum(), 1)


def test_a_class_of_two_photos_does_not_inflate_the_estimate() -> None:
    points, photos = two_classes()
    photos.loc[[0, 2], "label"] = 2

    errors = judged(points, photos)

    assert errors.rate < 0.02
    assert errors.ranking.index.isin([0, 2]).sum() == 2


def test_a_tiny_class_takes_no_folds_and_no_choice_of_the_penalty_from_the_others() -> None:
    points, photos = two_classes()
    with_hamster = photos.assign(label=photos["label"].where(photos.index != 0, 2))

    assert label_errors.fold_count(with_hamster) == label_errors.fold_count(photos) == label_errors.FOLDS
    assert label_errors.choose_penalty(points, with_hamster) == label_errors.choose_penalty(points[1:], photos[1:])


def test_corrections_that_move_photos_of_small_classes_leave_enough_for_each_fold() -> None:
    given = np.repeat(np.arange(7), 3)
    photos = pd.DataFrame({"given_label": given, "label": given, "given_split": "train", "split": "train"})
    photos["group"] = photos.index
    photos.loc[[3, 6, 9], "label"] = 0
    points = np.eye(7, dtype=np.float32)[photos["label"]]

    assert label_errors.fold_count(photos) == 3
    assert np.isfinite(label_errors.out_of_fold(points, photos, 1.0, seed=0)).all()
