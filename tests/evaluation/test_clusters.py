"""Intervals and tests count groups where images come in groups, and images where they don't."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from dogs_vs_cats.evaluation.clusters import effective_fraction, effective_images
from dogs_vs_cats.evaluation.cross_validation import measure
from dogs_vs_cats.evaluation.curves import reliability_curve
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import majority_baseline, predictions_table
from dogs_vs_cats.evaluation.significance import flip_test, fraction_interval, mcnemar, mean_interval

CLASSES = ["cat", "dog"]


def predictions(right: np.ndarray, groups: np.ndarray | None = None, labels: np.ndarray | None = None) -> pd.DataFrame:
    """Answers on test images."""
    labels = np.arange(len(right)) % 2 if labels is None else labels
    manifest = pd.DataFrame({"path": [f"{row}.jpg" for row in range(len(right))], "label": labels, "split": "test"})
    if groups is not None:
        manifest = manifest.assign(group=groups, group_name="p")
    probability = np.where(right == (labels == 1), 0.9, 0.1)
    return predictions_table(manifest, probability[:, np.newaxis], CLASSES)


def correlated(random: np.random.Generator, groups: int, images: int, accuracy: float, spread: float) -> np.ndarray:
    """Draws answers of a model that finds some groups easier than others: beta-binomial, shape (groups, images)."""
    chance = random.beta(accuracy * spread, (1 - accuracy) * spread, groups)
    return random.random((groups, images)) < chance[:, np.newaxis]


def test_images_that_are_groups_of_their_own_count_fully() -> None:
    right = np.arange(50) % 7 > 0
    assert effective_fraction(right, None) == effective_fraction(right, np.arange(50)[::-1]) == 1
    alone, grouped = (classification_metrics(predictions(right, groups), CLASSES) for groups in (None, np.arange(50)))
    assert grouped["test"].pop("groups") == 50
    assert alone == grouped


def test_copies_of_one_answer_say_no_more_than_one() -> None:
    """Twenty groups with the same answer in each: about twenty images, not a thousand."""
    right = np.repeat([True] * 16 + [False] * 4, 50)
    fraction = effective_fraction(right, np.repeat(np.arange(20), 50))
    assert 15 < 1000 * fraction < 20
    low, high = fraction_interval(0.8, 1000 * fraction)
    wider, higher = fraction_interval(0.8, 20)
    assert low < wider
    assert higher < high < higher + 0.02


@pytest.mark.parametrize("right", [True, False])
def test_where_all_answers_are_alike_each_group_counts_as_one_image(right: bool) -> None:
    answers, groups = np.full(100, right), np.arange(100) // 10
    assert 100 * effective_fraction(answers, groups) == pytest.approx(10)
    metrics = classification_metrics(predictions(answers, groups), CLASSES)["test"]
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == fraction_interval(float(right), 10)


def test_one_group_counts_as_one_image() -> None:
    assert effective_fraction(np.arange(10) > 3, np.zeros(10, int)) == 0.1


def test_answers_that_are_independent_lose_little_by_groups_of_equal_size() -> None:
    right = correlated(np.random.default_rng(0), 200, 5, 0.9, 1e6).ravel()
    assert effective_fraction(right, np.repeat(np.arange(200), 5)) > 0.85


@pytest.mark.parametrize(("groups", "images"), [(20, 15), (60, 5)])
def test_the_interval_covers_the_truth_as_often_as_it_says(groups: int, images: int) -> None:
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(groups), images)
    covered = np.zeros(2)
    for _ in range(400):
        right = correlated(random, groups, images, 0.85, 1.5).ravel()
        counts = len(right) * np.array([1, effective_fraction(right, names)])
        ends = [fraction_interval(right.mean(), count) for count in counts]
        covered += [low <= 0.85 <= high for low, high in ends]
    naive, grouped = covered / 400
    assert naive < 0.85
    assert grouped > 0.92


def test_the_balanced_accuracy_knows_that_a_group_is_in_both_classes() -> None:
    """Where a group's images of both classes are right or wrong together, the mean varies more than if they weren't."""
    random = np.random.default_rng(1)
    groups, labels = np.repeat(np.arange(40), 10), np.tile([0, 1], 200)
    together = np.repeat(random.random(40) < 0.8, 10)
    apart = np.where(labels == 0, together, np.roll(together, 50))
    first, second = (effective_fraction(right, groups, labels) for right in (together, apart))
    assert first < 0.7 * second
    metrics = classification_metrics(predictions(together, groups, labels), CLASSES)["test"]
    recalls = np.array([together[labels == label].mean() for label in (0, 1)])
    ends = mean_interval(recalls, first * np.array([200, 200]))
    assert (metrics["balanced_accuracy_low"], metrics["balanced_accuracy_high"]) == pytest.approx(ends)
    counted = effective_images(labels, together, groups)
    assert metrics["recalls"]["cat"]["low"] == pytest.approx(fraction_interval(recalls[0], counted[0])[0])
    assert (counted < 45).all()


def test_a_cross_validation_counts_groups() -> None:
    answers, groups = np.full(100, True), np.arange(100) // 10
    alone, grouped = (
        measure(
            pd.concat(
                predictions(answers, of).assign(repeat=repeat, fold=np.arange(100) // 50) for repeat in (1, 2, 3)
            ),
            CLASSES,
        )[0]
        for of in (None, groups)
    )
    assert (alone["accuracy_low"], grouped["accuracy_low"]) == pytest.approx(
        (fraction_interval(1, 100)[0], fraction_interval(1, 10)[0])
    )
    assert grouped["recalls"]["cat"]["low"] == pytest.approx(fraction_interval(1, 10)[0])


def test_a_point_of_the_reliability_curve_counts_groups() -> None:
    answers, groups = np.full(100, True), np.arange(100) // 10
    wide, narrow = (reliability_curve(predictions(answers, of), CLASSES) for of in (groups, None))
    assert (wide["low"] <= narrow["low"]).all()
    assert ((wide["high"] - wide["low"]) > 2 * (narrow["high"] - narrow["low"])).all()


@pytest.mark.parametrize("balance", [(0, 0), (1, 0), (3, 5), (7, 31), (40, 40)])
def test_the_flip_test_is_mcnemars_with_one_image_a_group(balance: tuple[int, int]) -> None:
    first, second = balance
    differences = np.repeat([1, -1, 0], [first, second, 10])
    assert flip_test(differences) == pytest.approx(binomtest(first, max(first + second, 1)).pvalue)


def test_the_flip_test_against_all_flips() -> None:
    differences = np.array([3, -1, 2, 2, 5, 0, 1])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1)
    expected = (np.abs(differences @ signs) >= differences.sum()).mean()
    assert flip_test(differences) == pytest.approx(expected)


def test_a_lead_in_one_group_is_no_evidence() -> None:
    """Thirty images of one patient that only the first approach gets right, and nothing else."""
    groups = np.repeat(np.arange(10), 30)
    first, second = np.full(300, True), np.arange(300) >= 30
    alone = mcnemar(predictions(first), predictions(second))
    grouped = mcnemar(predictions(first, groups), predictions(second, groups).iloc[::-1])
    assert alone["p_value"] < 1e-6
    assert grouped == {
        "images": 300, "groups": 10, "only_first_correct": 30, "only_second_correct": 0, "p_value": 1.0
    }  # fmt: skip


def test_the_baseline_has_the_groups_too() -> None:
    manifest = pd.DataFrame({"path": ["a", "b"], "label": [0, 1], "split": ["train", "test"], "group": [0, 1]})
    assert "group" not in majority_baseline(manifest, CLASSES)
    assert majority_baseline(manifest.assign(group_name=""), CLASSES)["group"].tolist() == [0, 1]
