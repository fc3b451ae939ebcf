"""The points of curves: reliability, ROC, and accuracy against coverage. `reporting` draws them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.predictions import class_probabilities

RELIABILITY_BINS = 10
ROC_CLASSES = 12
"""Of more classes, only the worst have ROC curves."""


def _stated_and_observed(
    predictions: pd.DataFrame, class_names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns the probabilities whose calibration is judged, and whether what they speak of came true.

    For two classes that is P(class 1) and "the image shows class 1" (Naeini, Cooper and Hauskrecht 2015); for more,
    the probability of the predicted class and "the prediction is right" (Guo et al. 2017, *On Calibration of Modern
    Neural Networks*).

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        The stated probabilities, shape (n,), 0..1, and the outcomes, shape (n,).
    """
    labels = predictions["label"].to_numpy()
    if len(class_names) == 2:
        return class_probabilities(predictions, class_names)[:, 1], labels == 1
    confidence = class_probabilities(predictions, class_names).max(axis=1)
    return confidence, labels == predictions["predicted"].to_numpy()


def reliability_bins(
    predictions: pd.DataFrame, class_names: Sequence[str], bins: int = RELIABILITY_BINS
) -> pd.DataFrame:
    """Groups the predictions by their stated probability, in equally wide bins.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.
        bins: How many bins there are between 0 and 1.

    Returns:
        One row per bin, empty ones included: `low`, `high` (its edges), `images`, `stated` (mean probability) and
        `observed` (fraction of outcomes that came true); the last two are NaN for an empty bin.
    """
    stated, observed = _stated_and_observed(predictions, class_names)
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.digitize(stated, edges) - 1, 0, bins - 1)
    images = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_stated = np.bincount(index, weights=stated, minlength=bins) / images
        mean_observed = np.bincount(index, weights=observed, minlength=bins) / images
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "images": images, "stated": mean_stated, "observed": mean_observed}
    )


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Returns the mean distance between stated and observed probability, weighted by the images in each bin.

    Args:
        bins: What `reliability_bins` returns.

    Returns:
        0 (perfectly calibrated) to 1.
    """
    filled = bins[bins["images"] > 0]
    gaps = (filled["stated"] - filled["observed"]).abs()
    return float((gaps * filled["images"]).sum() / filled["images"].sum())


def areas_under_roc(labels: NDArray[np.integer], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the area under the ROC curve of each class against the rest, from the ranks (Hanley and McNeil 1982).

    Args:
        labels: True classes, shape (n,).
        probabilities: Shape (n, classes).

    Returns:
        Shape (classes,), 0..1; NaN for a class that no image or every image is of.
    """
    from scipy.stats import rankdata

    ranks = rankdata(probabilities, axis=0)
    positive = labels[:, np.newaxis] == np.arange(probabilities.shape[1])
    count = positive.sum(axis=0)
    above = np.where(positive, ranks, 0).sum(axis=0) - count * (count + 1) / 2
    with np.errstate(invalid="ignore"):
        areas: NDArray[np.float64] = above / (count * (len(labels) - count))
    return areas


class RocCurve(NamedTuple):
    """The ROC curve of one class against the rest.

    Attributes:
        label: The class.
        area: The area under the curve, 0..1.
        false_positive_rate: Shape (points,), ascending from 0 to 1.
        true_positive_rate: Shape (points,), likewise.
    """

    label: int
    area: float
    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]


def roc_curves(predictions: pd.DataFrame, class_names: Sequence[str]) -> list[RocCurve]:
    """Computes the ROC curves that are shown.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        Of two classes the curve of class 1. Of up to `ROC_CLASSES` all curves; of more half as many, those with the
        smallest areas. A class that no image or every image belongs to has none.
    """
    from sklearn import metrics

    labels = predictions["label"].to_numpy()
    probabilities = class_probabilities(predictions, class_names)
    areas = areas_under_roc(labels, probabilities)
    shown = np.flatnonzero(~np.isnan(areas))
    if len(areas) == 2:
        shown = shown[shown == 1]
    elif len(areas) > ROC_CLASSES:
        shown = shown[np.argsort(areas[shown], kind="stable")][: ROC_CLASSES // 2]
    curves = []
    for label in shown.tolist():
        false_positive_rate, true_positive_rate, _ = metrics.roc_curve(labels == label, probabilities[:, label])
        curves.append(RocCurve(label, float(areas[label]), false_positive_rate, true_positive_rate))
    return curves


def accuracy_coverage(predictions: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Computes the accuracy on the most confident predictions, against how many they are.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each image, most confident first: `confidence` (probability of the predicted class), `coverage`
        (fraction of the images that are at least as confident) and `accuracy` (on these), each 0..1.
    """
    confidence = class_probabilities(predictions, class_names).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    correct = (predictions["label"] == predictions["predicted"]).to_numpy()[order]
    count = np.arange(1, len(order) + 1)
    columns = {"confidence": confidence[order], "coverage": count / len(order), "accuracy": correct.cumsum() / count}
    return pd.DataFrame(columns)
