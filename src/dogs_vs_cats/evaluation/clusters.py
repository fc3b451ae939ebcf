"""Intervals of images that come in groups: ten photos of one patient say less than one photo of ten."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.significance import CONFIDENCE_LEVEL


def groups_of(predictions: pd.DataFrame) -> NDArray[np.integer] | None:
    """Returns the group of each row of a predictions table, shape (n,); None where images count one by one."""
    return predictions["group"].to_numpy() if "group" in predictions else None


def effective_fraction(
    right: NDArray[np.bool_ | np.floating],
    groups: NDArray[np.integer] | None,
    labels: NDArray[np.integer] | None = None,
) -> float:
    """Returns the fraction of the images that an interval should count: the effective sample size over the size.

    The effective sample size is the size over the design effect: the variance of the accuracy between groups
    (linearised, as in Rao and Scott 1992, *A simple method for the analysis of clustered binary data*), over the
    variance that it would have if the images were drawn one by one. Wilson's interval of the effective size is
    recommended for clustered data by Dean and Pagano 2015, *Evaluating confidence interval methods for binomial
    proportions in clustered surveys*. The variance is estimated from the groups alone, so that the size is also
    multiplied by the squared ratio of the quantiles of the normal and the t distribution with groups - 1 degrees of
    freedom (Korn and Graubard 1998).

    It is assumed that groups are drawn independently of each other. A design effect below one is taken for chance.
    Where all answers are right, or all wrong, nothing is known of it, and each group counts as one image.

    Args:
        right: Whether each image was classified correctly, shape (n,), n at least 1; or in which fraction of several
            evaluations.
        groups: The group of each image, shape (n,); None where each image is a group of its own.
        labels: The class of each image, shape (n,), for the mean of the accuracies of the classes; None for the
            accuracy of all images.

    Returns:
        Above 0 and at most 1, which it is exactly where each image is a group of its own.
    """
    from scipy.special import ndtri, stdtrit

    if groups is None:
        return 1.0
    codes, names = pd.factorize(groups)
    count, number = len(right), len(names)
    if number == count:
        return 1.0
    classes = np.zeros(count, np.int64) if labels is None else pd.factorize(labels)[0]
    images = np.bincount(classes)
    accuracies = np.bincount(classes, weights=right) / images
    drawn = (accuracies * (1 - accuracies) / images).sum()
    if number == 1 or drawn == 0:
        return number / count
    by_group = np.bincount(codes, weights=(right - accuracies[classes]) / images[classes])
    between = number / (number - 1) * (by_group**2).sum()
    quantile = 0.5 + 0.5 * CONFIDENCE_LEVEL
    few = (ndtri(quantile) / stdtrit(number - 1, quantile)) ** 2
    return float(max(few / max(between / drawn, 1.0), 1 / count))


def effective_images(
    labels: NDArray[np.integer], right: NDArray[np.bool_ | np.floating], groups: NDArray[np.integer] | None
) -> NDArray[np.floating]:
    """Returns how many images the interval of each recall, or of another proportion in each part, should count.

    Args:
        labels: The class of each image, or its part, from 0, shape (n,).
        right: As in `effective_fraction`, shape (n,).
        groups: Likewise.

    Returns:
        For each label up to the largest the effective number of images, 0 of none.
    """
    images = np.bincount(labels).astype(np.float64)
    if groups is not None:
        for label in np.flatnonzero(images):
            images[label] *= effective_fraction(right[labels == label], groups[labels == label])
    return images
