import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dogs_vs_cats.errors import ModelFileError, StaleInputError, TrainingError
from dogs_vs_cats.evaluation.criteria import rank
from dogs_vs_cats.evaluation.curves import (
    accuracy_coverage,
    areas_under_roc,
    expected_calibration_error,
    reliability_curve,
)
from dogs_vs_cats.evaluation.metrics import classification_metrics, seed_summary
from dogs_vs_cats.evaluation.predictions import majority_baseline, predictions_table
from dogs_vs_cats.evaluation.significance import fraction_interval, holm, mcnemar, mean_interval
from dogs_vs_cats.images.splits import SPLITS

TWO = ["cat", "dog"]
THREE = ["ant", "bee", "cow"]


def manifest_of(labels: list[int], splits: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"path": [f"{row}.jpg" for row in range(len(labels))], "label": labels, "split": splits})


def two_class(labels: list[int], probabilities: list[float], split: str = "test") -> pd.DataFrame:
    manifest = manifest_of(labels, [split] * len(labels))
    return predictions_table(manifest, np.array(probabilities)[:, None], TWO)


def by_correctness(correct: list[bool]) -> pd.DataFrame:
    """Predictions on images of class 1 that are right where they should be."""
    return two_class([1] * len(correct), [0.9 if right else 0.1 for right in correct])


def test_predictions_are_ordered_by_split_and_keep_the_manifests_order() -> None:
    manifest = manifest_of([0, 1, 1, 0, 1], ["test", "train", "unused", "validation", "train"])
    table = predictions_table(manifest, np.array([[0.1], [0.9], [0.5], [0.5], [0.25]]), TWO)
    assert list(table.columns) == ["path", "label", "probability_dog", "predicted", "split"]
    assert table["path"].tolist() == ["1.jpg", "4.jpg", "3.jpg", "0.jpg"]
    assert table["probability_dog"].tolist() == [0.9, 0.25, 0.5, 0.1]
    assert table["predicted"].tolist() == [1, 0, 0, 0]


def test_many_classes_have_a_probability_column_each() -> None:
    manifest = manifest_of([2, 0], ["train", "test"])
    table = predictions_table(manifest, np.array([[0.2, 0.3, 0.5], [0.1, 0.7, 0.2]], np.float32), THREE)
    assert list(table.columns) == [
        "path", "label", "probability_ant", "probability_bee", "probability_cow", "predicted", "split",
    ]  # fmt: skip
    assert table["predicted"].tolist() == [2, 1]
    assert table["probability_bee"].tolist() == [0.3, 0.7]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_a_csv_file_holds_exactly_the_probabilities_that_were_measured(probabilities: list[float]) -> None:
    from io import StringIO

    table = two_class([0] * len(probabilities), probabilities)
    again = pd.read_csv(StringIO(table.to_csv(index=False)))
    assert again["probability_dog"].tolist() == table["probability_dog"].tolist()
    assert np.array_equal(again["probability_dog"].astype(np.float32), np.array(probabilities, np.float32))


def test_not_a_number_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TrainingError, match=r"NaN .* for 1 of 2 images.*learning_rate"):
        two_class([0, 1], [0.5, math.nan])


def test_outputs_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"from -2 to 0\.5"):
        two_class([0, 1], [0.5, -2])
    with pytest.raises(ModelFileError, match=r"shape \(2, 2\).*must be \(2, 1\)"):
        predictions_table(manifest_of([0, 1], ["test", "test"]), np.full((2, 2), 0.5), TWO)


def test_metrics_of_two_classes_against_hand_computed_figures() -> None:
    # P(dog):            0.9 dog right, 0.8 cat wrong, 0.4 dog wrong, 0.2 cat right, 0.6 dog right
    metrics = classification_metrics(two_class([1, 0, 1, 0, 1], [0.9, 0.8, 0.4, 0.2, 0.6]), TWO)["test"]
    assert metrics["images"] == 5
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["confusion_matrix"] == [[1, 1], [1, 2]]
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["recall"] == pytest.approx(2 / 3)
    assert metrics["f1"] == pytest.approx(2 / 3)
    # Of the six pairs of a dog and a cat, four have the dog's probability above the cat's.
    assert metrics["roc_auc"] == pytest.approx(4 / 6)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.9, 0.2, 0.4, 0.8, 0.6]).mean())


def test_metrics_of_three_classes_against_hand_computed_figures() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4], [0.2, 0.5, 0.3]])
    table = predictions_table(manifest_of([0, 1, 2, 2], ["train"] * 4), probabilities, THREE)
    metrics = classification_metrics(table, THREE)["train"]
    assert metrics["accuracy"] == pytest.approx(0.5)
    assert metrics["confusion_matrix"] == [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    # Precisions 1/2, 1/2, 0 (no cow was predicted); recalls 1, 1, 0.
    assert metrics["precision"] == pytest.approx(1 / 3)
    assert metrics["recall"] == pytest.approx(2 / 3)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.7, 0.8, 0.4, 0.3]).mean(), rel=1e-6)
    # Each class's probability ranks its own images above all others.
    assert metrics["roc_auc"] == pytest.approx(1.0)


@pytest.mark.parametrize("classes", [31, 200])
def test_metrics_of_many_classes_are_short_and_name_what_is_confused_most(classes: int) -> None:
    names = [f"n{number:08}" for number in range(classes)]
    labels = np.arange(3 * classes) % classes
    # All are right but class 7, which is taken for class 3 twice and for class 5 once.
    answers = labels.copy()
    answers[labels == 7] = [3, 5, 3]
    probabilities = np.full((len(labels), classes), 0.5 / (classes - 1))
    probabilities[np.arange(len(labels)), answers] = 0.5
    splits = [split for split in SPLITS for _ in labels]
    manifest = manifest_of([*labels] * 3, splits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = predictions_table(manifest, np.tile(probabilities, (3, 1)), names)
        metrics = classification_metrics(table, names)
    assert "confusion_matrix" not in metrics["test"]
    assert metrics["test"]["confused_pairs"] == [
        {"true": names[7], "predicted": names[3], "images": 2},
        {"true": names[7], "predicted": names[5], "images": 1},
    ]
    recalls = metrics["test"]["lowest_recalls"]
    assert (recalls.pop(names[7]), set(recalls.values()), len(recalls)) == (0.0, {1.0}, 19)
    assert len(json.dumps(metrics, indent=2)) < 20_000


def test_areas_under_roc_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    labels = np.arange(50) % 4
    probabilities = random.dirichlet(np.ones(5), 50).round(1)  # with ties
    areas = areas_under_roc(labels, probabilities)
    assert areas[:4] == pytest.approx([roc_auc_score(labels == each, probabilities[:, each]) for each in range(4)])
    assert np.isnan(areas[4])


def test_all_splits_are_measured_alike_and_everything_is_plain_json() -> None:
    labels = [0, 1, 1, 0] * 3
    probabilities = np.array([0.3, 0.8, 0.4, 0.6] * 3)[:, None]
    splits = [split for split in SPLITS for _ in range(4)]
    metrics = classification_metrics(predictions_table(manifest_of(labels, splits), probabilities, TWO), TWO)
    assert list(metrics) == ["train", "validation", "test"]
    assert metrics["train"] == metrics["validation"] == metrics["test"]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


@pytest.mark.parametrize(
    ("names", "probabilities"),
    [(TWO, [[0.6], [0.7]]), (THREE, [[0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])],
)
def test_a_split_without_one_of_the_classes_has_no_auc_but_everything_else(
    names: list[str], probabilities: list[list[float]]
) -> None:
    table = predictions_table(manifest_of([1, 1], ["test"] * 2), np.array(probabilities), names)
    metrics = classification_metrics(table, names)["test"]
    assert metrics["roc_auc"] is None
    assert metrics["accuracy"] == 1
    assert np.array(metrics["confusion_matrix"]).shape == (len(names), len(names))


@pytest.mark.parametrize(("label", "probability"), [(0, 1.0), (1, 0.0), (1, 1e-9)])
def test_certain_and_wrong_costs_the_same_for_either_class(label: int, probability: float) -> None:
    metrics = classification_metrics(two_class([label], [probability]), TWO)["test"]
    assert metrics["log_loss"] == pytest.approx(-math.log(1e-7))


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    [
        # Brown, Cai and DasGupta's formula by hand, z = 1.959964.
        (50, 100, 0.403832, 0.596168),
        (880, 1000, 0.858391, 0.898701),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
    ],
)
def test_wilson_interval(correct: int, images: int, low: float, high: float) -> None:
    z = 1.959963984540054
    share, centre = correct / images, (correct + z**2 / 2) / (images + z**2)
    half = z / (images + z**2) * math.sqrt(share * (1 - share) * images + z**2 / 4)
    assert fraction_interval(correct / images, images) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert fraction_interval(correct / images, images) == pytest.approx((low, high), abs=1e-6)


def test_the_interval_of_a_mean_of_recalls_is_wilsons_for_one_class_and_has_a_width_where_all_are_right() -> None:
    assert mean_interval(np.array([0.9]), np.array([30])) == pytest.approx(fraction_interval(27 / 30, 30))
    low, high = mean_interval(np.ones(2), np.array([10, 10]))
    # Each class's lower end is 0.277533 below 1; the two distances add up as variances do.
    assert (low, high) == (pytest.approx(1 - 0.277533 / math.sqrt(2), abs=1e-6), 1.0)


def test_the_interval_of_a_mean_of_recalls_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    images, recalls = np.array([12, 40, 200]), np.array([0.85, 0.7, 0.95])
    found = random.binomial(images, recalls, (2000, 3)) / images
    intervals = np.array([mean_interval(fractions, images) for fractions in found])
    covered = (intervals[:, 0] <= recalls.mean()) & (recalls.mean() <= intervals[:, 1])
    assert 0.93 < covered.mean() < 0.98


def test_balanced_accuracy_counts_each_class_alike_and_leaves_out_those_without_images() -> None:
    from sklearn.metrics import balanced_accuracy_score

    labels, answers = [0] * 8 + [1] * 2, [0] * 7 + [2] + [1, 0]
    probabilities = np.full((10, 3), 0.1)
    probabilities[range(10), answers] = 0.8
    metrics = classification_metrics(predictions_table(manifest_of(labels, ["test"] * 10), probabilities, THREE), THREE)
    found = metrics["test"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a prediction of a class that isn't there
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, answers))
    assert list(found["recalls"]) == ["ant", "bee"]
    low, high = fraction_interval(7 / 8, 8)
    assert found["recalls"]["ant"] == {"images": 8, "recall": 7 / 8, "low": low, "high": high}


def test_a_better_metric_decides_whichever_way_it_points_and_the_log_loss_between_equals() -> None:
    first = {"log_loss": 0.3, "accuracy": 0.9, "roc_auc": None}
    second = {"log_loss": 0.2, "accuracy": 0.8, "roc_auc": 0.6}
    assert rank("log_loss", second) < rank("log_loss", first)
    assert rank("accuracy", first) < rank("accuracy", second)
    assert rank("roc_auc", second) < rank("roc_auc", first)
    assert rank("accuracy", {**second, "accuracy": 0.9}) < rank("accuracy", first)
    assert rank("balanced_accuracy", second) < rank("balanced_accuracy", {})


def test_calibration_error_against_hand_computed_figure() -> None:
    table = two_class([1, 1, 0, 0], [0.95, 0.95, 0.95, 0.05])
    assert expected_calibration_error(table, TWO) == pytest.approx((0.95 - 2 / 3) * 3 / 4 + 0.05 / 4)


def test_calibration_of_many_classes_is_about_the_predicted_class() -> None:
    probabilities = np.array([[0.75, 0.15, 0.1], [0.1, 0.75, 0.15]])
    table = predictions_table(manifest_of([0, 2], ["test"] * 2), probabilities, THREE)
    # Both say 0.75, one of two is right.
    assert expected_calibration_error(table, THREE) == pytest.approx(0.25)


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    # Mean probability 0.96, of which half came true; in bins of their own the two would give 0.54.
    assert expected_calibration_error(two_class([0, 1], [1.0, 0.92]), TWO) == pytest.approx(0.46)


def test_a_point_of_the_reliability_curve_stands_for_many_images_with_its_interval() -> None:
    stated = np.linspace(0.001, 0.999, 105)
    came_true = (np.arange(105) % 3 == 0).astype(int)
    points = reliability_curve(two_class(came_true.tolist(), stated.tolist()), TWO)
    assert points["images"].tolist() == [21] * 5
    assert points["observed"].tolist() == pytest.approx([1 / 3] * 5)
    assert points["stated"].tolist() == pytest.approx([chunk.mean() for chunk in np.split(stated, 5)], abs=1e-6)
    assert points[["low", "high"]].to_numpy() == pytest.approx(np.array([fraction_interval(7 / 21, 21)] * 5))


@pytest.mark.parametrize("images", [1, 6, 19, 1000])
def test_equal_probabilities_are_one_point_of_the_reliability_curve(images: int) -> None:
    points = reliability_curve(two_class([0] * images, [0.7] * images), TWO)
    assert points[["stated", "observed", "images"]].to_numpy().tolist() == [pytest.approx([0.7, 0, images])]


def test_the_reliability_curve_has_at_most_ten_points() -> None:
    random = np.random.default_rng(0)
    table = two_class((np.arange(1000) % 2).tolist(), random.random(1000).tolist())
    assert reliability_curve(table, TWO)["images"].tolist() == [100] * 10


def test_images_of_one_confidence_are_one_point_of_the_coverage_curve() -> None:
    points = accuracy_coverage(two_class([1, 0, 1, 0], [1.0, 1.0, 0.75, 0.0]), TWO)
    assert points.to_numpy().tolist() == [[1, 3 / 4, 2 / 3, 3], [0.75, 1, 3 / 4, 4]]


def test_the_baseline_answers_the_majority_of_the_training_images_everywhere() -> None:
    manifest = manifest_of([1, 1, 1, 0, 0, 0, 0, 1], ["train"] * 4 + ["test"] * 3 + ["validation"])
    metrics = classification_metrics(majority_baseline(manifest, TWO), TWO)
    assert metrics["train"]["accuracy"] == 0.75
    assert metrics["test"]["accuracy"] == 0  # where cats are the majority
    assert metrics["validation"]["accuracy"] == 1
    assert metrics["train"]["roc_auc"] == 0.5
    assert metrics["train"]["log_loss"] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_the_baseline_of_many_classes_may_never_have_seen_one() -> None:
    manifest = manifest_of([2, 2, 0, 1, 2], ["train", "train", "train", "validation", "test"])
    baseline = majority_baseline(manifest, THREE)
    assert baseline["predicted"].tolist() == [2] * 5
    assert baseline["probability_bee"].tolist() == [0] * 5


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 5, 2 / 2**5), (1, 9, 2 * (1 + 10) / 2**10), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_mcnemar_against_hand_computed_figures(only_first: int, only_second: int, p_value: float) -> None:
    first = [True] * only_first + [False] * only_second + [True, False]
    second = [False] * only_first + [True] * only_second + [True, False]
    result = mcnemar(by_correctness(first), by_correctness(second))
    assert (result["only_first_correct"], result["only_second_correct"]) == (only_first, only_second)
    assert result["p_value"] == pytest.approx(p_value)


def test_mcnemar_pairs_images_by_path_and_not_by_position() -> None:
    first = by_correctness([True, True, False, False])
    result = mcnemar(first, first.iloc[::-1])
    assert (result["only_first_correct"], result["only_second_correct"]) == (0, 0)


def test_mcnemar_refuses_predictions_of_other_images() -> None:
    first, second = by_correctness([True, False]), by_correctness([True, False, True])
    with pytest.raises(StaleInputError, match=r"different test images \(2 and 3\)"):
        mcnemar(first, second)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.02], [0.02]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holms_correction_against_known_figures(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


def test_seeds_are_summarised_by_mean_and_sample_deviation() -> None:
    def of(accuracy: float) -> dict[str, Any]:
        return {"test": {"accuracy": accuracy, "log_loss": 1.0}, "validation": {"accuracy": 0.5, "log_loss": 2.0}}

    summary = seed_summary({3: of(0.57), 1: of(0.61), 2: of(0.65)})
    assert summary["seeds"] == [3, 1, 2]
    assert summary["runs"]["1"]["test_accuracy"] == 0.61
    assert summary["mean"]["test_accuracy"] == pytest.approx(0.61)
    assert summary["std"]["test_accuracy"] == pytest.approx(0.04)
    alone = seed_summary({3: of(0.57)})
    assert alone["std"]["test_accuracy"] is None
    assert alone["mean_low"] == {}


def test_seeds_on_one_split_have_students_interval_of_the_mean() -> None:
    accuracies = [0.57, 0.61, 0.65]
    summary = seed_summary({seed: {"test": {"accuracy": x, "log_loss": 1}} for seed, x in enumerate(accuracies)})
    ends = stats.ttest_1samp(accuracies, 0).confidence_interval(0.95)
    assert (summary["mean_low"]["test_accuracy"], summary["mean_high"]["test_accuracy"]) == pytest.approx(ends)
    # 0.61 ± 4.3027 x 0.04 / sqrt(3)
    assert tuple(ends) == pytest.approx((0.51063, 0.70937), abs=1e-5)
    assert summary["redrawn"] is False


def test_seeds_with_splits_of_their_own_have_the_wider_of_two_intervals() -> None:
    def summary_of(*right: int) -> dict[str, Any]:
        of_test = [
            dict(zip(("accuracy_low", "accuracy_high"), fraction_interval(count / 100, 100), strict=True))
            | {"accuracy": count / 100, "log_loss": 1.0, "images": 100}
            for count in right
        ]
        train = {"accuracy": 1.0, "log_loss": 0.0, "images": 400}
        return seed_summary({seed: {"train": train, "test": test} for seed, test in enumerate(of_test)}, redrawn=True)

    # Equal accuracies say nothing about other images; a single test does.
    alike = summary_of(90, 90, 90)
    found = (alike["mean_low"]["test_accuracy"], alike["mean_high"]["test_accuracy"])
    assert found == pytest.approx(fraction_interval(0.9, 100))
    apart = summary_of(80, 90, 100)
    half = stats.t.ppf(0.975, 2) * np.sqrt((1 / 3 + 100 / 400) * 0.01)
    assert apart["mean_low"]["test_accuracy"] == pytest.approx(0.9 - half)
    assert apart["mean_high"]["test_accuracy"] == 1
    assert "train_accuracy" not in apart["mean_low"]
