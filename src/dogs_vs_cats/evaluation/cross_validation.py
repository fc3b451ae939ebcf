"""Repeated stratified k-fold cross-validation: its splits, and the metrics of its predictions.

A test part of a few dozen images says little about a classifier. Cross-validation tests on every image: each is
predicted by a model that was trained without it.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.clusters import effective_fraction, effective_images, groups_of
from dogs_vs_cats.evaluation.metrics import classification_metrics, recalls, recalls_of_classes
from dogs_vs_cats.evaluation.significance import fraction_interval, mean_interval, resampled_interval, wider
from dogs_vs_cats.images.splits import TEST, TRAIN, UNUSED, VALIDATION

REPEATS = 3
"""How often the images are divided anew: the mean then depends less on a single division."""

EvaluatedBy = Literal["test", "k-fold"]


def evaluated_by(metrics: Mapping[str, Any]) -> EvaluatedBy:
    """Says on which images the metrics of the split `test` were measured.

    Args:
        metrics: The metrics of an approach.

    Returns:
        `test`: those of the test part; `k-fold`: all in use, by cross-validation.
    """
    return "k-fold" if "cross_validation" in metrics else "test"


@dataclass(frozen=True)
class Fold:
    """One division of the images.

    Attributes:
        repeat: From 1.
        number: From 1, within its repeat.
        splits: The split of each row of the manifest. `test` are the images of this fold; the others are divided into
            `train` and `validation`, about as in the manifest.
    """

    repeat: int
    number: int
    splits: NDArray[np.str_]


def divide(manifest: pd.DataFrame, folds: int, seed: int) -> Iterator[Fold]:
    """Divides the images in use into folds, `REPEATS` times.

    The folds are stratified, and near-duplicates, which have the same `group`, stay together. A fold chooses the epoch,
    the penalty and the temperature on validation images of its own, so that its test images have no part in them. A
    fold of very few images may have none for validation: each class has at least one group in `train`.

    Where labels were corrected, the folds are those of the labels before, so that the same images are tested together,
    unless a fold would have to learn a class without images.

    Args:
        manifest: Columns `label`, `split` and `group`, with corrections also `given_label` and `given_split`; images of
            the split `unused` stay out.
        folds: At least 2, and at most as many as the largest class has groups. A class with fewer groups is missing in
            the test part of some folds, and one with a single group in the training of one.
        seed: Another seed draws other folds in every repeat.

    Yields:
        `folds` times `REPEATS` divisions. Each image in use is in the test part once in each repeat.
    """
    given_split, given_label = (manifest.get(f"given_{name}", manifest[name]) for name in ("split", "label"))
    rows = np.flatnonzero(given_split != UNUSED)
    given, labels, groups = (column.to_numpy()[rows] for column in (given_label, manifest["label"], manifest["group"]))
    used = (manifest["split"] != UNUSED).to_numpy()[rows]
    validation, training = ((given_split == split).sum() for split in (VALIDATION, TRAIN))
    parts = max(round((validation + training) / validation), 2) if validation else None
    for repeat in range(1, REPEATS + 1):
        # Not the sum of the two: neighbouring seeds would share most of their folds.
        random = np.random.default_rng([seed, repeat])
        drawn = int(random.integers(2**32))
        fold_of = _deal(given, groups, folds, drawn)
        if not _train_every_class(fold_of[used], labels[used]):
            fold_of[used] = _deal(labels[used], groups[used], folds, drawn)
        for number in range(folds):
            of_fold = np.where(fold_of == number, TEST, TRAIN).astype(f"<U{len(VALIDATION)}")
            rest = np.flatnonzero(fold_of != number)
            if parts:
                chosen = rest[_one_in(parts, given[rest], groups[rest], random)]
                of_fold[chosen] = VALIDATION
                lacking = np.setdiff1d(labels[chosen], labels[(of_fold == TRAIN) & used])
                # No class loses all its groups to validation.
                of_fold[chosen[np.isin(groups[chosen], groups[rest][np.isin(labels[rest], lacking)])]] = TRAIN
            splits = np.full(len(manifest), UNUSED, of_fold.dtype)
            splits[rows[used]] = of_fold[used]
            yield Fold(repeat, number + 1, splits)


def _deal(labels: NDArray[Any], groups: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Deals images out to stratified folds, groups as a whole; returns the fold of each, from 0."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # The splitter that knows groups goes through them one by one.
    single = len(np.unique(groups)) == len(groups)
    splitter = StratifiedKFold if single else StratifiedGroupKFold
    fold_of = np.empty(len(labels), np.int64)
    with warnings.catch_warnings():
        # Of a class with fewer images than folds.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        dealt = splitter(folds, shuffle=True, random_state=seed).split(labels, labels, None if single else groups)
        for number, (_, members) in enumerate(dealt):
            fold_of[members] = number
    return fold_of


def _train_every_class(fold_of: NDArray[np.int64], labels: NDArray[Any]) -> bool:
    """Tells whether the images outside of each fold have all classes."""
    classes = len(np.unique(labels))
    return all(len(np.unique(labels[fold_of != fold])) == classes for fold in np.unique(fold_of))


def _one_in(parts: int, labels: NDArray[Any], groups: NDArray[Any], random: np.random.Generator) -> NDArray[np.bool_]:
    """Chooses every so many-th group of each class, however few images the classes have: a systematic sample.

    Args:
        parts: One in so many groups is chosen, at least 2.
        labels: The label of each image, shape (n,).
        groups: Its group, shape (n,).
        random: Chooses which.

    Returns:
        Whether each image is chosen, shape (n,).
    """
    names, first = np.unique(groups, return_index=True)
    shuffled = random.permutation(len(names))
    by_class = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    return np.isin(groups, names[by_class[random.integers(min(parts, len(names))) :: parts]])


def measure(predictions: pd.DataFrame, class_names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measures the predictions of a cross-validation.

    The intervals of the accuracy and of the balanced accuracy are each the wider of two. That of one evaluation
    (Wilson's; of the balanced accuracy `significance.mean_interval`) is about which images were drawn, but takes the
    predictions for those of one model that was trained on other images. The corrected resampled t interval
    (`significance.resampled_interval`) is also about which images a model was trained on, but estimates a variance from
    a few folds, and is zero where all of them agree. Neither is exact: an interval with a guaranteed
    coverage needs nested cross-validation (Bates, Hastie and Tibshirani 2021, *Cross-validation: what does it estimate
    and how well does it do it?*). They also show that cross-validation estimates the accuracy of models that are
    trained this way on such images, rather than that of the saved one.

    Args:
        predictions: A predictions table in which each image in use is once in every repeat, with the columns `repeat`
            and `fold`.
        class_names: The classes, in the order of their labels.

    Returns:
        Entries of `classification_metrics` for one split: means over repeats, and the confusions of the first.
        And how they came about: `folds`, `repeats`, and the `accuracies` of each fold of each repeat.
    """
    repeats = [rows for _, rows in predictions.groupby("repeat")]
    measured = [classification_metrics(rows, class_names)[TEST] for rows in repeats]
    metrics: dict[str, Any] = {
        name: float(np.mean([each[name] for each in measured])) if isinstance(value, float) else value
        for name, value in measured[0].items()
    }
    by_fold = [[_accuracies(rows) for _, rows in repeat.groupby("fold")] for repeat in repeats]
    accuracies, balanced = np.moveaxis(np.array(by_fold), -1, 0)
    labels, groups = repeats[0]["label"].to_numpy(), groups_of(repeats[0])
    right = _fraction_right(predictions, repeats[0])
    images = np.bincount(labels)
    recognised = np.bincount(labels, weights=right) / np.maximum(images, 1)
    counted = images * effective_fraction(right, groups, labels)
    drawn = {
        "accuracy": fraction_interval(metrics["accuracy"], metrics["images"] * effective_fraction(right, groups)),
        "balanced_accuracy": mean_interval(recognised[images > 0], counted[images > 0]),
    }
    for (name, ends), folds in zip(drawn.items(), (accuracies, balanced), strict=True):
        trained = resampled_interval(metrics[name], folds, overlap=1 / (folds.shape[1] - 1))
        metrics[f"{name}_low"], metrics[f"{name}_high"] = wider(ends, trained)
    if "recalls" in metrics:
        metrics["recalls"] = recalls_of_classes(
            images, recognised, effective_images(labels, right, groups), class_names
        )
    how = {"folds": accuracies.shape[1], "repeats": len(repeats), "accuracies": accuracies.tolist()}
    return metrics, how


def _fraction_right(predictions: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the fraction of the repeats in which each image was classified correctly, in the order of `images`."""
    right = (predictions["label"] == predictions["predicted"]).astype(float).groupby(predictions["path"]).mean()
    return np.asarray(right[images["path"]], np.float64)


def _accuracies(predictions: pd.DataFrame) -> tuple[float, float]:
    """Returns accuracy and balanced accuracy in one fold, the latter over the classes that it has images of."""
    labels, predicted = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
    images, recognised = recalls(labels, predicted)
    return float((labels == predicted).mean()), float(recognised[images > 0].mean())
