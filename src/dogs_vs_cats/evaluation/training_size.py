"""Accuracy over the number of training photos, and what more of them would bring.

The error is described by a power law with a floor, a + b n^-c (Cortes et al. 1994, *Learning curves: asymptotic values
and rate of convergence*). That fits most learning curves, and yet is an extrapolation: new photos are assumed to be
like the present ones.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.cross_validation import divide
from dogs_vs_cats.evaluation.label_errors import fold_count, probabilities
from dogs_vs_cats.evaluation.significance import CONFIDENCE_LEVEL
from dogs_vs_cats.images.splits import TEST

FRACTIONS = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the photos outside a fold."""

EXPONENTS = np.arange(0.1, 1.01, 0.05)
"""Values of c that are tried. Others say more about chance than about learning."""

RESAMPLES = 500
"""Bootstrap samples of the folds, which give the band."""


def measure(points: NDArray[np.float32], photos: pd.DataFrame, strength: float, seed: int) -> pd.DataFrame:
    """Measures the errors of linear classifiers that were fitted to more and more photos.

    Each photo is predicted once at each size, by a classifier that was fitted without it and its group. The samples of
    a fold are nested, and have the same fraction of each class.

    Args:
        points: A row for each photo, shape (n, numbers).
        photos: Columns `label`, `split` and `group`.
        strength: The penalty; it suits every size, see `linear_head.STRENGTHS`.
        seed: Draws the folds and the samples.

    Returns:
        A row for each size, fold and class: `fraction`, `images` (fitted to), `fold`, `label`, `tested`, `wrong`.
    """
    labels, classes = photos["label"].to_numpy(), int(photos["label"].max()) + 1
    folds, rows = fold_count(photos), []
    for fold, _ in zip(divide(photos, folds, seed), range(folds), strict=False):  # the first repeat
        left_out = fold.splits == TEST
        rank = _rank_in_class(labels, ~left_out, np.random.default_rng([seed, fold.number]))
        for fraction in FRACTIONS:
            fitted = rank <= fraction
            chosen = fitted | left_out
            answers = probabilities(points[chosen], labels[chosen], fitted[chosen], classes, strength).argmax(axis=1)
            tested = labels[left_out]
            counts = np.bincount(tested, minlength=classes)
            wrong = np.bincount(tested[answers != tested], minlength=classes)
            of_size = {"fraction": fraction, "images": int(fitted.sum()), "fold": fold.number}
            rows.append(pd.DataFrame({**of_size, "label": range(classes), "tested": counts, "wrong": wrong}))
    return pd.concat(rows, ignore_index=True)


def _rank_in_class(
    labels: NDArray[np.integer], usable: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.float64]:
    """Gives each usable photo its place in a random order of its class, from just above 0 to 1; others get infinity.

    The first photo of each class gets 0, so that every class is there at every size.
    """
    rank = np.full(len(labels), np.inf)
    for label in np.unique(labels[usable]):
        members = random.permutation(np.flatnonzero(usable & (labels == label)))
        rank[members] = np.arange(1, len(members) + 1) / len(members)
        rank[members[0]] = 0
    return rank


class Curve(NamedTuple):
    """A learning curve and its extrapolation.

    Attributes:
        images: Numbers of training photos that were measured, shape (sizes,).
        accuracy: What was measured, shape (sizes,).
        grid: Numbers of training photos, from the smallest measured to twice the largest.
        fitted: The curve there.
        low: Lower end of its 95 % band.
        high: Upper end.
        gain: What twice the largest number would add to the accuracy there; with the ends of its interval.
    """

    images: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    grid: NDArray[np.float64]
    fitted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    gain: tuple[float, float, float]


def fit_curve(measured: pd.DataFrame, seed: int) -> Curve:
    """Fits a power law to the errors at each size, with a band from a bootstrap over the folds.

    The band is about which photos were fitted to and tested on. It knows nothing of how well the law holds.

    Args:
        measured: Rows of `measure`, of all classes or of one.
        seed: Draws the bootstrap samples.
    """
    sums = measured.groupby(["fraction", "fold"])[["tested", "wrong"]].sum()
    tested, wrong = (sums[column].unstack().to_numpy(np.float64) for column in ("tested", "wrong"))
    images = measured.groupby(["fraction", "fold"])["images"].first().groupby("fraction").mean().to_numpy()
    folds = tested.shape[1]
    drawn = np.random.default_rng(seed).integers(folds, size=(RESAMPLES, folds))
    drawn = np.vstack([np.arange(folds), drawn])
    errors = wrong[:, drawn].sum(axis=2) / np.maximum(tested[:, drawn].sum(axis=2), 1)
    grid = np.geomspace(images[0], 2 * images[-1], 40)
    curves = 1 - _power_law(images, errors, np.append(grid, images[-1]))
    gains = curves[-2] - curves[-1]
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(curves[:-1, 1:], [tail, 1 - tail], axis=1)
    ends = np.quantile(gains[1:], [tail, 1 - tail])
    gain = (float(gains[0]), float(ends[0]), float(ends[1]))
    return Curve(images, 1 - errors[:, 0], grid, curves[:-1, 0], low, high, gain)


def _power_law(
    images: NDArray[np.float64], errors: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fits a + b n^-c with a, b >= 0 to several curves at once, by least squares for each c.

    Args:
        images: n, shape (sizes,).
        errors: Shape (sizes, curves).
        grid: Where the fitted curves are wanted, shape (m,).

    Returns:
        Shape (m, curves).
    """
    best, fitted = np.full(errors.shape[1], np.inf), np.empty((len(grid), errors.shape[1]))
    for exponent in EXPONENTS:
        x = images**-exponent
        away, level = x - x.mean(), errors.mean(axis=0)
        b = np.maximum(away @ errors / (away @ away), 0)
        a = level - b * x.mean()
        through_zero = x @ errors / (x @ x)
        a, b = np.where(a < 0, 0, a), np.where(a < 0, through_zero, b)
        squares = ((errors - a - b * x[:, np.newaxis]) ** 2).sum(axis=0)
        better = squares < best
        best = np.where(better, squares, best)
        fitted = np.where(better, a + b * grid[:, np.newaxis] ** -exponent, fitted)
    return fitted
