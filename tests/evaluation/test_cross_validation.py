import json

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation.cross_validation import REPEATS, divide, evaluated_by, measure
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.evaluation.significance import fraction_interval, mean_interval, resampled_interval


def manifest_of(labels: list[int], groups: list[int] | None = None) -> pd.DataFrame:
    count = len(labels)
    splits = np.array(["train", "train", "train", "train", "validation", "test"])[np.arange(count) % 6]
    columns = {"path": [f"{row}.jpg" for row in range(count)], "label": labels, "split": splits}
    return pd.DataFrame({**columns, "group": groups or list(range(count))})


@pytest.mark.parametrize("copies", [1, 3])
def test_each_image_is_tested_once_a_repeat_and_copies_stay_together(copies: int) -> None:
    manifest = manifest_of([0] * 60 + [1] * 30, [row // copies for row in range(90)])
    manifest.loc[:2, "split"] = "unused"
    folds = list(divide(manifest, 5, 0))
    assert [(fold.repeat, fold.number) for fold in folds] == [(r, n) for r in (1, 2, 3) for n in (1, 2, 3, 4, 5)]
    for repeat in range(REPEATS):
        splits = np.array([fold.splits for fold in folds[5 * repeat : 5 * repeat + 5]])
        assert (splits[:, :3] == "unused").all()
        assert ((splits[:, 3:] == "test").sum(axis=0) == 1).all()
    for fold in folds:
        parts = manifest.assign(split=fold.splits)
        assert (parts.groupby("group")["split"].nunique() == 1).all()
        counts = pd.crosstab(parts["split"], parts["label"])
        assert counts.loc["test", 1] == pytest.approx(6, abs=3)
        # A fifth of what isn't test, as in the manifest.
        assert counts.loc["validation"].sum() / counts.loc[["train", "validation"]].to_numpy().sum() == pytest.approx(
            0.2, abs=0.05
        )
    assert len(divisions(manifest, 5, 0)) == 15
    assert divisions(manifest, 5, 0) == {tuple(fold.splits) for fold in folds}


def divisions(manifest: pd.DataFrame, folds: int, seed: int) -> set[tuple[str, ...]]:
    return {tuple(fold.splits) for fold in divide(manifest, folds, seed)}


def test_neighbouring_seeds_have_no_test_part_in_common() -> None:
    manifest = manifest_of([0, 1] * 30)
    first, second = (
        {tuple(np.flatnonzero(np.array(splits) == "test")) for splits in divisions(manifest, 5, seed)}
        for seed in (0, 1)
    )
    assert len(first) == len(second) == 15
    assert not first & second


@pytest.mark.parametrize(
    ("labels", "groups", "folds", "validation"),
    [
        pytest.param([0] * 30 + [1] * 3, None, 3, 4, id="one small class"),
        pytest.param([*range(30)] * 2, None, 2, 0, id="two images a class"),
        pytest.param([*range(20)] * 3, None, 3, 7, id="three images a class"),
        pytest.param([0] * 10 + [1] * 10, [row // 5 for row in range(20)], 2, 0, id="two groups a class"),
        pytest.param(
            [0] * 10 + [1] * 10, [1, 1, *range(2, 10), 1, 1, *range(12, 20)], 5, 3, id="copies across classes"
        ),
    ],
)
def test_every_fold_trains_every_class_and_takes_no_more_for_validation_than_there_is(
    labels: list[int], groups: list[int] | None, folds: int, validation: int
) -> None:
    manifest = manifest_of(labels, groups)
    for fold in divide(manifest, folds, 0):
        parts = manifest.assign(split=fold.splits)
        assert set(parts.loc[parts["split"] == "train", "label"]) == set(labels)
        assert (parts.groupby("group")["split"].nunique() == 1).all()
        # A fifth of what isn't test, as in the manifest.
        assert (parts["split"] == "validation").sum() == pytest.approx(validation, abs=2 if validation else 0)


def repeated(wrong: list[list[int]], labels: list[int], folds: int) -> pd.DataFrame:
    """Predictions of which those of some rows are wrong in each repeat; row i is of fold i modulo folds."""
    tables = []
    for repeat, rows in enumerate(wrong, start=1):
        truth = np.array(labels)
        answers = truth.copy()
        answers[rows] = 1 - answers[rows]
        manifest = manifest_of(labels).assign(split="test")
        table = predictions_table(manifest, np.where(answers == 1, 0.9, 0.1)[:, np.newaxis], ["cat", "dog"])
        tables.append(table.assign(repeat=repeat, fold=np.arange(len(labels)) % folds + 1))
    return pd.concat(tables, ignore_index=True)


def test_scalars_are_means_over_the_repeats_and_the_counts_are_those_of_all_images() -> None:
    labels = [0] * 10 + [1] * 10
    metrics, how = measure(repeated([[0, 1, 10], [2], [3, 4]], labels, 4), ["cat", "dog"])
    assert metrics["images"] == 20
    assert metrics["accuracy"] == pytest.approx(1 - 2 / 20)
    # Of the cats 2, 1 and 2 are wrong, of the dogs 1, 0 and 0.
    assert metrics["recalls"]["cat"]["recall"] == pytest.approx(1 - 5 / 30)
    assert metrics["recalls"]["cat"]["images"] == 10
    assert metrics["balanced_accuracy"] == pytest.approx(1 - (5 / 30 + 1 / 30) / 2)
    assert metrics["confusion_matrix"] == [[8, 2], [1, 9]]
    assert (how["folds"], how["repeats"]) == (4, 3)
    assert how["accuracies"][1] == [1.0, 1.0, 0.8, 1.0]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert list(metrics) == list(classification_metrics(repeated([[0]], labels, 4), ["cat", "dog"])["test"])


def test_the_interval_is_wilsons_where_the_folds_agree_and_the_wider_one_where_they_do_not() -> None:
    labels = [0, 1] * 20
    agreeing, _ = measure(repeated([[], []], labels, 4), ["cat", "dog"])
    assert (agreeing["accuracy_low"], agreeing["accuracy_high"]) == pytest.approx(fraction_interval(40 / 40, 40))
    # All mistakes are in one fold.
    split, how = measure(repeated([[0, 4, 8, 12, 16, 20], [0, 4, 8, 12, 16, 20]], labels, 4), ["cat", "dog"])
    low, high = resampled_interval(34 / 40, np.array(how["accuracies"]), overlap=1 / 3)
    assert (split["accuracy_low"], split["accuracy_high"]) == pytest.approx((low, high))
    wilson = fraction_interval(34 / 40, 40)
    assert high - low > wilson[1] - wilson[0]


def test_the_interval_of_the_balanced_accuracy_is_the_wider_one_too() -> None:
    labels = [0, 1, 1, 1] * 10
    agreeing, _ = measure(repeated([[], []], labels, 2), ["cat", "dog"])
    ends = mean_interval(np.ones(2), np.array([10, 30]))
    assert (agreeing["balanced_accuracy_low"], agreeing["balanced_accuracy_high"]) == pytest.approx(ends)
    # Rows 0, 4, … are the ten cats, all of them in the first of two folds; eight of them are wrong in the first repeat.
    wrong = [[*range(0, 32, 4)], []]
    split, _ = measure(repeated(wrong, labels, 2), ["cat", "dog"])
    assert split["balanced_accuracy"] == pytest.approx((0.6 + 1) / 2)
    by_fold = np.array([[(0.2 + 1) / 2, 1], [1, 1]])
    ends = resampled_interval(0.8, by_fold, overlap=1)
    assert (split["balanced_accuracy_low"], split["balanced_accuracy_high"]) == pytest.approx(ends)
    assert ends[0] < mean_interval(np.array([0.6, 1]), np.array([10, 30]))[0]


def test_the_corrected_resampled_interval_against_a_hand_computed_figure() -> None:
    # Mean 0.8, variance 0.01 of four folds in two repeats of two; t(3, 0.975) = 3.182446; sqrt((1/4 + 1) 0.04/3).
    low, high = resampled_interval(0.8, np.array([[0.7, 0.9], [0.7, 0.9]]), overlap=1)
    half = 3.182446 * np.sqrt(1.25 * 0.04 / 3)
    assert (low, high) == pytest.approx((max(0, 0.8 - half), min(1, 0.8 + half)), abs=1e-6)


def test_metrics_from_before_there_were_folds_are_those_of_the_test_images() -> None:
    assert evaluated_by({"test": {}}) == "test"
    assert evaluated_by({"test": {}, "cross_validation": {"folds": 5}}) == "k-fold"
