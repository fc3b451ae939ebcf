"""The points of curves: reliability, ROC, and accuracy against coverage. `reporting` draws them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.clusters import effective_images, groups_of
from dogs_vs_cats.evaluation.predictions import class_probabilities
from dogs_vs_cats.evaluation.significance import wilson

CALIBRATION_BINS = 10
IMAGES_PER_POINT = 20
"""On fewer images the observed frequency says little."""
ROC_CLASSES = 12
"""Of more classes, only the worst have ROC curves."""


class RocCurve(NamedTuple):
    """The ROC curve of one class against the rest.

    Attributes:
        area: The area under it, 0..1, as in the metrics.
        rates: Its points `false_positive_rate` and `true_positive_rate`, ascending from 0 to 1.
    """

    area: float
    rates: pd.DataFrame


def stated_and_observed(
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
    probabilities = class_probabilities(predictions, class_names)
    if len(class_names) == 2:
        return probabilities[:, 1], labels == 1
    return probabilities.max(axis=1), labels == predictions["predicted"].to_numpy()


def expected_calibration_error(predictions: pd.DataFrame, class_names: Sequence[str]) -> float:
    """Returns the mean distance between stated and observed probability over equally wide bins of probability.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        0 (perfectly calibrated) to 1; each of the `CALIBRATION_BINS` bins counts by its images.
    """
    stated, observed = stated_and_observed(predictions, class_names)
    bins = np.digitize(stated, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1])
    gaps = np.abs(np.bincount(bins, weights=stated) - np.bincount(bins, weights=observed))
    return float(gaps.sum() / len(stated))


def reliability_curve(predictions: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Groups the predictions by their stated probability, in bins of equally many images.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each bin: `stated` (mean probability), `observed` (fraction of outcomes that came true), `low` and
        `high` (its 95 % interval), `images`. There are at most `CALIBRATION_BINS` bins of at least `IMAGES_PER_POINT`
        images; equal probabilities share a bin.
    """
    stated, observed = stated_and_observed(predictions, class_names)
    count = np.clip(len(stated) // IMAGES_PER_POINT, 1, CALIBRATION_BINS)
    edges = np.quantile(stated, np.linspace(0, 1, count + 1)[1:-1])
    bin_of, groups = np.searchsorted(edges, stated), groups_of(predictions)
    bins = pd.DataFrame({"stated": stated, "observed": observed}).groupby(bin_of)
    points = bins.mean().assign(images=bins.size())
    counted = effective_images(bin_of, observed, groups)[points.index]
    points["low"], points["high"] = wilson(points["observed"].to_numpy(), counted)
    return points


def areas_under_roc(labels: NDArray[np.integer], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the area under the ROC curve of each class against the rest, from the ranks (Hanley and McNeil 1982).

    For 1,000 classes this is several times as fast as scikit-learn, which takes the classes one by one.

    Args:
        labels: True classes, shape (n,).
        probabilities: Shape (n, classes).

    Returns:
        Shape (classes,), 0..1; NaN for a class that no image or every image is of.
    """
    from scipy.stats import rankdata

    ranks = rankdata(probabilities, axis=0)
    is_class = labels[:, np.newaxis] == np.arange(probabilities.shape[1])
    count = is_class.sum(axis=0)
    above = np.where(is_class, ranks, 0).sum(axis=0) - count * (count + 1) / 2
    with np.errstate(invalid="ignore"):
        areas: NDArray[np.float64] = above / (count * (len(labels) - count))
    return areas


def roc_curves(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, RocCurve]:
    """Computes the ROC curves that are shown, each of one class against the rest.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        The curves by class: of two classes that of class 1, of up to `ROC_CLASSES` all, of more half as many, those
        with the smallest areas. A class that no image or every image belongs to has no curve.
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
    curves = {}
    for label in shown.tolist():
        false_positives, true_positives, _ = metrics.roc_curve(labels == label, probabilities[:, label])
        rates = {"false_positive_rate": false_positives, "true_positive_rate": true_positives}
        curves[class_names[label]] = RocCurve(float(areas[label]), pd.DataFrame(rates))
    return curves


def accuracy_coverage(predictions: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Computes the accuracy on the most confident predictions, against their number.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each confidence that occurs, the highest first: `confidence` (probability of the predicted class),
        `coverage` (fraction of the images that are at least as confident) and `accuracy` (on these), each 0..1; and
        `images`, their number.
    """
    confidence = class_probabilities(predictions, class_names).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    correct = (predictions["label"] == predictions["predicted"]).to_numpy()[order]
    count = np.arange(1, len(order) + 1)
    columns = {"confidence": confidence[order], "coverage": count / len(order), "accuracy": correct.cumsum() / count}
    # The order of images with the same confidence, many with 1, means nothing.
    return pd.DataFrame({**columns, "images": count}).drop_duplicates("confidence", keep="last")
