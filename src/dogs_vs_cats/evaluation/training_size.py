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
from dogs_vs_cats.evaluation.label_errors import can_be_judged, fold_count, probabilities
from dogs_vs_cats.evaluation.significance import CONFIDENCE_LEVEL
from dogs_vs_cats.images.splits import TEST

FRACTIONS = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the photos outside a fold."""

FEWEST_SIZES = 3
"""Different sizes that the fit of a curve with three parameters needs."""

EXPONENTS = np.arange(0.1, 1.01, 0.05)
"""Values of c that are tried. Others say more about chance than about learning."""

DRAWN = 500
"""Curves that are drawn for the band."""


def measure(points: NDArray[np.float32], photos: pd.DataFrame, strength: float, seed: int) -> pd.DataFrame:
    """Measures the errors of linear classifiers that were fitted to more and more photos.

    Each photo is predicted once at each size in every repeat of the cross-validation, by a classifier that was fitted
    without it and its group. Photos of a class with a single group aren't tested, see `can_be_judged`. The samples of a
    fold are nested, and have about the same fraction of each class.

    Args:
        points: A row for each photo, shape (n, numbers).
        photos: Columns `label`, `split` and `group`.
        strength: The penalty; it suits every size, see `linear_head.STRENGTHS`.
        seed: Draws the folds and the samples.

    Returns:
        A row for each size, division and class: `fraction`, `images` (fitted to), `repeat`, `fold`, `label`, `tested`,
        `wrong`.
    """
    labels, groups = photos["label"].to_numpy(), photos["group"].to_numpy()
    classes, judged, rows = int(labels.max()) + 1, can_be_judged(photos), []
    for fold in divide(photos, fold_count(photos), seed):
        left_out = fold.splits == TEST
        random = np.random.default_rng([seed, fold.repeat, fold.number])
        rank = np.full(len(labels), np.inf)
        rank[~left_out] = _rank_in_class(labels[~left_out], groups[~left_out], random)
        for fraction in FRACTIONS:
            fitted, tested = rank <= fraction, left_out & judged
            chosen = fitted | tested
            answers = probabilities(points[chosen], labels[chosen], fitted[chosen], classes, strength).argmax(axis=1)
            counts = np.bincount(labels[tested], minlength=classes)
            wrong = np.bincount(labels[tested][answers != labels[tested]], minlength=classes)
            of_size = {"fraction": fraction, "images": int(fitted.sum()), "repeat": fold.repeat, "fold": fold.number}
            rows.append(pd.DataFrame({**of_size, "label": range(classes), "tested": counts, "wrong": wrong}))
    return pd.concat(rows, ignore_index=True)


def _rank_in_class(
    labels: NDArray[np.integer], groups: NDArray[np.integer], random: np.random.Generator
) -> NDArray[np.float64]:
    """Ranks photos in a random order of the groups of their class, so that a sample consists of whole groups.

    A group of several classes counts for that of its first photo. The first group of each class has the rank 0, so that
    every class is there at every size.

    Args:
        labels: Shape (n,).
        groups: Shape (n,).
        random: Draws the order.

    Returns:
        For each photo the fraction of the photos of its class up to the end of its group, shape (n,), 0..1.
    """
    names, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    sizes, rank = np.bincount(group_of), np.zeros(len(names))
    for label in np.unique(labels[first]):
        members = random.permutation(np.flatnonzero(labels[first] == label))
        photos = sizes[members].cumsum()
        rank[members[1:]] = photos[1:] / photos[-1]
    return rank[group_of]


class Curve(NamedTuple):
    """A learning curve and its extrapolation.

    Attributes:
        images: Numbers of training photos that were measured, shape (sizes,).
        accuracy: The measured accuracies, shape (sizes,).
        grid: Numbers of training photos, from the smallest measured to twice the largest.
        fitted: The curve there.
        low: Lower end of its 95 % band.
        high: Upper end.
        gain: The gain in accuracy from doubling the largest number, with its interval. No end of it is ever below 0,
            because the errors of the power law never rise with the number of photos.
    """

    images: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    grid: NDArray[np.float64]
    fitted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    gain: tuple[float, float, float]


def fit_curve(measured: pd.DataFrame, seed: int) -> Curve | None:
    """Fits a power law to the errors at each size, with a band for the choice of photos to fit and to test.

    For the band, errors are drawn from a multivariate t distribution, and a curve is fitted to each draw. The
    covariance of the sizes is that of the divisions, times the correction of `significance.resampled_interval`, whose
    degrees of freedom it shares: trainings that share photos vary less than independent ones. A bootstrap of the tested
    photos would be too narrow, as it takes the classifiers for given. The band knows nothing of how well the law holds.

    Args:
        measured: Rows of `measure`, of all classes or of one.
        seed: Draws the errors.

    Returns:
        None where there are fewer than `FEWEST_SIZES` sizes, because there are too few groups.
    """
    by_division = measured.groupby(["fraction", "repeat", "fold"])
    sums = by_division[["tested", "wrong"]].sum()
    tested, wrong = (sums[name].unstack(["repeat", "fold"]).to_numpy(np.float64) for name in ("tested", "wrong"))
    images = by_division["images"].first().groupby("fraction").mean().to_numpy()
    if len(np.unique(images)) < FEWEST_SIZES:
        return None
    errors = wrong.sum(axis=1) / tested.sum(axis=1)
    # A division counts by its tested photos: the linearised variance of a ratio.
    away = (wrong - errors[:, np.newaxis] * tested) / tested.mean(axis=1, keepdims=True)
    divisions, folds = tested.shape[1], measured["fold"].max()
    spread = np.sqrt((1 / divisions + 1 / (folds - 1)) / (divisions - 1))
    random = np.random.default_rng(seed)
    normal, scale = random.standard_normal((divisions, DRAWN)), random.chisquare(divisions - 1, DRAWN) / (divisions - 1)
    drawn = np.clip(errors[:, np.newaxis] + spread * away @ normal / np.sqrt(scale), 0, 1)
    grid = np.geomspace(images[0], 2 * images[-1], 40)
    curves = 1 - _power_law(images, np.column_stack([errors, drawn]), np.append(grid, images[-1]))
    gains = curves[-2] - curves[-1]
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(curves[:-1, 1:], [tail, 1 - tail], axis=1)
    ends = np.quantile(gains[1:], [tail, 1 - tail])
    gain = (float(gains[0]), float(ends[0]), float(ends[1]))
    return Curve(images, 1 - errors, grid, curves[:-1, 0], low, high, gain)


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
