"""Metrics of a model: one code path for every split, approach and number of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.clusters import effective_fraction, effective_images, groups_of
from dogs_vs_cats.evaluation.curves import areas_under_roc, expected_calibration_error
from dogs_vs_cats.evaluation.predictions import class_probabilities
from dogs_vs_cats.evaluation.probabilities import log_loss
from dogs_vs_cats.evaluation.significance import fraction_interval, mean_interval, resampled_interval, wider, wilson
from dogs_vs_cats.images.splits import SPLITS, TRAIN

HELD_OUT_METRICS = (
    "validation_accuracy",
    "validation_log_loss",
    "test_accuracy",
    "test_balanced_accuracy",
    "test_roc_auc",
    "test_log_loss",
)
"""The metrics by which approaches are compared, as the summary of a comparison names them."""
SEED_STATISTICS = ("mean", "std", "mean_low", "mean_high")
"""The statistics of several seeds, see `seed_summary`."""
MATRIX_CLASSES = 30
"""A confusion matrix of more classes is unreadable; its largest entries are listed instead."""
LISTED = 20
"""Number of pairs and of classes in these lists."""


def classification_metrics(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measures a predictions table on every split it has images of.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        For `train`, `validation` and `test`:

        * `images`: how many; and `groups`, where images come in groups, in which case intervals count these, see
          `clusters`
        * `accuracy` with `accuracy_low` and `accuracy_high`, the ends of its 95 % Wilson interval
        * `balanced_accuracy`: the mean of the recalls of the classes that have images (Brodersen et al. 2010), with
          `balanced_accuracy_low` and `balanced_accuracy_high`, see `significance.mean_interval`
        * `roc_auc`: one-vs-rest, macro average, for more than two classes; None where a class has no image
        * `log_loss`: mean cross-entropy in nats
        * `precision`, `recall`, `f1`: of class 1 for two classes, else the mean over the classes; 0 where undefined
        * `expected_calibration_error`: see `curves`
        * `recalls`: see `recalls_of_classes`
        * `confusion_matrix`: row = true class, column = predicted class

        For more than `MATRIX_CLASSES` classes, `confused_pairs` and `lowest_recalls` stand in place of the last two,
        the `LISTED` most frequent pairs and worst classes.
    """
    return {
        split: _split_metrics(rows, class_names)
        for split in SPLITS
        if len(rows := predictions[predictions["split"] == split])
    }


def _split_metrics(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns the metrics of the rows of one split."""
    from sklearn import metrics

    labels = predictions["label"].to_numpy(np.int64)
    predicted = predictions["predicted"].to_numpy(np.int64)
    probabilities = class_probabilities(predictions, class_names)
    classes = list(range(len(class_names)))
    areas = areas_under_roc(labels, probabilities)
    area = float(areas[1] if len(areas) == 2 else areas.mean())
    right, groups = labels == predicted, groups_of(predictions)
    accuracy = int(right.sum()) / len(labels)
    low, high = fraction_interval(accuracy, len(labels) * effective_fraction(right, groups))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes[-1:] if len(classes) == 2 else classes, average="macro", zero_division=0.0
    )
    return {
        "images": len(labels),
        **({} if groups is None else {"groups": len(np.unique(groups))}),
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        **_balanced_accuracy(labels, predicted, groups),
        "roc_auc": None if np.isnan(area) else area,
        "log_loss": log_loss(probabilities, labels),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "expected_calibration_error": expected_calibration_error(predictions, class_names),
        **_confusion(predictions, class_names),
    }


def _balanced_accuracy(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], groups: NDArray[np.integer] | None
) -> dict[str, float]:
    images, recognised = recalls(labels, predicted)
    counted = images * effective_fraction(labels == predicted, groups, labels)
    low, high = mean_interval(recognised[images > 0], counted[images > 0])
    return {
        "balanced_accuracy": float(recognised[images > 0].mean()),
        "balanced_accuracy_low": low,
        "balanced_accuracy_high": high,
    }


def recalls(
    labels: NDArray[np.integer], predicted: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Returns for each label up to the largest how many images are of it, and the fraction recognised (0 of none)."""
    images = np.bincount(labels)
    right = np.bincount(labels[labels == predicted], minlength=len(images))
    return images, right / np.maximum(images, 1)


def recalls_of_classes(
    images: NDArray[np.integer],
    recognised: NDArray[np.float64],
    counted: NDArray[np.integer | np.floating],
    class_names: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Describes the recall of each class that has images.

    Args:
        images: Of each class, in the order of the labels.
        recognised: The fraction of them that is, 0..1: the recall.
        counted: How many of them the interval counts, see `clusters.effective_images`.
        class_names: The classes, in the order of their labels.

    Returns:
        For each class `images`, `recall`, `low` and `high`, the ends of its 95 % Wilson interval.
    """
    shown = np.flatnonzero(images)
    low, high = wilson(recognised[shown], counted[shown])
    columns = (images[shown], recognised[shown], low, high)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        class_names[label]: dict(zip(("images", "recall", "low", "high"), row, strict=True))
        for label, row in zip(shown.tolist(), rows, strict=True)
    }


def _confusion(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns recalls and confusion matrix, or of many classes the pairs and classes with the most confusions."""
    from sklearn import metrics

    labels, predicted = predictions["label"], predictions["predicted"]
    if len(class_names) <= MATRIX_CLASSES:
        matrix = metrics.confusion_matrix(labels, predicted, labels=list(range(len(class_names))))
        images, recognised = recalls(labels.to_numpy(), predicted.to_numpy())
        counted = effective_images(labels.to_numpy(), (labels == predicted).to_numpy(), groups_of(predictions))
        by_class = recalls_of_classes(images, recognised, counted, class_names)
        return {"recalls": by_class, "confusion_matrix": matrix.tolist()}
    pairs = confused_pairs(predictions, class_names).head(LISTED)
    lowest = (labels == predicted).groupby(labels).mean().nsmallest(LISTED)
    return {
        "confused_pairs": pairs[["true", "predicted", "images"]].to_dict("records"),
        "lowest_recalls": {class_names[label]: lowest[label] for label in lowest.index},
    }


def confused_pairs(predictions: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Counts the wrong answers by true and predicted class.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each pair that occurs, most frequent first: `true` and `predicted`, the names of the classes,
        `images`, and `of`, the number of images of the true class.
    """
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    pairs = wrong.groupby(["label", "predicted"], as_index=False).size().rename(columns={"size": "images"})
    pairs["of"] = pairs["label"].map(predictions["label"].value_counts())
    pairs = pairs.sort_values(["images", "of", "label", "predicted"], ascending=[False, True, True, True])
    names = np.array(class_names, dtype=object)
    return pairs.assign(true=names[pairs["label"]], predicted=names[pairs["predicted"]])


def seed_summary(
    metrics_by_seed: Mapping[int, Mapping[str, Mapping[str, Any]]], redrawn: bool = False
) -> dict[str, Any]:
    """Summarises the metrics of an approach that was trained with several seeds.

    Trainings on the same split have Student's t interval of the mean accuracy, which is about the randomness of
    training alone: other test images are not its subject. For splits of their own it is the wider of the corrected
    resampled t interval (`significance.resampled_interval`) and that of a single test, averaged over the seeds: a few
    accuracies may agree by chance.

    Args:
        metrics_by_seed: For each seed what `classification_metrics` returned.
        redrawn: Whether each seed had a split of its own.

    Returns:
        `seeds` (a list), `runs` (for each seed, as text, `<split>_accuracy` and `<split>_log_loss`), `mean` and `std`
        of the same quantities, `mean_low` and `mean_high`, the 95 % intervals of the mean `validation_accuracy` and
        `test_accuracy`; and `redrawn`. The sample standard deviation (n - 1) is None for a single seed, which has no
        interval.
    """
    runs = {
        str(seed): {
            f"{split}_{name}": float(measured[name])
            for split, measured in splits.items()
            for name in ("accuracy", "log_loss")
        }
        for seed, splits in metrics_by_seed.items()
    }
    table = pd.DataFrame.from_dict(runs, orient="index")
    spread = table.std().astype(object)
    measured = list(metrics_by_seed.values())
    held_out = [split for split in measured[0] if split != TRAIN and len(measured) > 1]
    ends = {f"{split}_accuracy": _mean_interval(measured, split, redrawn) for split in held_out}
    return {
        "seeds": list(metrics_by_seed),
        "runs": runs,
        "mean": table.mean().to_dict(),
        "std": spread.where(spread.notna(), None).to_dict(),
        "mean_low": {name: low for name, (low, _) in ends.items()},
        "mean_high": {name: high for name, (_, high) in ends.items()},
        "redrawn": redrawn,
    }


def _mean_interval(
    measured: Sequence[Mapping[str, Mapping[str, Any]]], split: str, redrawn: bool
) -> tuple[float, float]:
    """Returns the 95 % interval of the mean accuracy of several seeds, see `seed_summary`."""
    accuracies = np.array([metrics[split]["accuracy"] for metrics in measured])
    if not redrawn:
        return resampled_interval(accuracies.mean(), accuracies, overlap=0)
    overlap = measured[0][split]["images"] / measured[0][TRAIN]["images"]
    low, high = (float(np.mean([metrics[split][f"accuracy_{end}"] for metrics in measured])) for end in ("low", "high"))
    return wider((low, high), resampled_interval(accuracies.mean(), accuracies, overlap))


def without_test(seeds: Mapping[str, Any]) -> dict[str, Any]:
    """Takes the figures of the test images out of what `seed_summary` returned."""

    def others(figures: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in figures.items() if not name.startswith("test_")}

    runs = {seed: others(figures) for seed, figures in seeds["runs"].items()}
    return {**seeds, "runs": runs, **{name: others(seeds[name]) for name in SEED_STATISTICS}}
