"""Confidence intervals of accuracies and recalls, and McNemar's test with a correction for multiple comparisons."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.errors import StaleInputError

CONFIDENCE_LEVEL = 0.95
SIGNIFICANCE_LEVEL = 0.05


def wilson(
    fractions: NDArray[np.float64], images: NDArray[np.integer | np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns 95 % intervals of binomial proportions: Wilson's score interval (Wilson 1927, as in Newcombe 1998).

    Args:
        fractions: Of images that were classified correctly, shape (n,), 0..1. A mean over several evaluations of the
            same images need not be a whole number of them.
        images: How many each is a fraction of, shape (n,), at least one; of images in groups the effective number, see
            `clusters`.

    Returns:
        The lower and the upper ends, each of shape (n,), 0..1.
    """
    from scipy.special import ndtri

    z = ndtri(0.5 + 0.5 * CONFIDENCE_LEVEL)
    width = 2 * (images + z**2)
    centre = (2 * images * fractions + z**2) / width
    half = z / width * np.sqrt(4 * images * fractions * (1 - fractions) + z**2)
    return np.where(fractions == 0, 0.0, centre - half), np.where(fractions == 1, 1.0, centre + half)


def fraction_interval(fraction: float, images: float) -> tuple[float, float]:
    """Returns the 95 % interval of one proportion; see `wilson` for the arguments."""
    low, high = wilson(np.array([fraction]), np.array([images]))
    return float(low[0]), float(high[0])


def mean_interval(fractions: NDArray[np.float64], images: NDArray[np.integer | np.floating]) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of independent proportions, such as that of the recalls of all classes.

    The distances of each proportion from the ends of its Wilson interval stand for its variance on either side, and
    add up as variances do: the method of variance estimates recovery (MOVER; Zou, Huang and Zhang 2009, *A note on
    confidence interval estimation for a linear function of binomial proportions*). Of one proportion it is Wilson's
    interval, and unlike the normal approximation it has a width where every recall is 1.

    Args:
        fractions: The proportions, shape (n,), 0..1.
        images: How many images each is of, shape (n,), see `wilson`.

    Returns:
        The lower and the upper end, each 0..1.
    """
    low, high = wilson(fractions, images)
    mean = fractions.mean()
    below, above = (np.sqrt(((end - fractions) ** 2).sum()) / len(fractions) for end in (low, high))
    return float(mean - below), float(mean + above)


def resampled_interval(estimate: float, accuracies: NDArray[np.float64], overlap: float) -> tuple[float, float]:
    """Returns the 95 % interval of the mean accuracy of several trainings: the corrected resampled t interval.

    Trainings on different splits of the same images share most of them, so their accuracies vary less than those of
    independent ones would. The correction adds the ratio of test to training images to the variance (Nadeau and Bengio
    2003, *Inference for the generalization error*; for repeated cross-validation Bouckaert and Frank 2004). Without it,
    this is Student's t interval.

    Args:
        estimate: The accuracy about which the interval lies, 0..1: the mean, or in a cross-validation the accuracy over
            all images, which is the mean where the folds are equally large.
        accuracies: That of each training on its test images, at least two, in an array of any shape.
        overlap: The ratio of test to training images; 0 for trainings on the same split, whose interval is about the
            randomness of training alone.

    Returns:
        Its lower and upper end, each 0..1.
    """
    from scipy.stats import t

    count = accuracies.size
    half = t.ppf(0.5 + 0.5 * CONFIDENCE_LEVEL, count - 1) * np.sqrt((1 / count + overlap) * accuracies.var(ddof=1))
    low, high = np.clip(estimate + np.array([-half, half]), 0, 1)
    return float(low), float(high)


def wider(*intervals: tuple[float, float]) -> tuple[float, float]:
    """Returns the widest of several intervals."""
    return max(intervals, key=lambda ends: ends[1] - ends[0])


def mcnemar(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Tests whether two approaches differ in accuracy on the same test images: McNemar's exact test (McNemar 1947).

    Only images that exactly one of the two classifies correctly count. If both were equally good, each would be correct
    on half of these (a two-sided binomial test). Where images come in groups, these are the units, see `flip_test`.

    The test takes the answers of an approach for those of one model. In a cross-validation they come from models that
    share training images, so that p is approximate.

    Args:
        first: Predictions table of one approach.
        second: Predictions table of the other.

    Returns:
        `images`, `only_first_correct`, `only_second_correct` and `p_value`; and `groups`, their number, where images
        come in groups.

    Raises:
        StaleInputError: The two tables are not about the same images.
    """
    one, other = (table[table["split"] == "test"].set_index("path") for table in (first, second))
    if set(one.index) != set(other.index):
        raise StaleInputError(
            f"Two approaches predicted different test images ({len(one)} and {len(other)}), so they can't be "
            "compared. Train and evaluate both again on the present images: run `kedro run`."
        )
    one_correct, other_correct = (table["label"] == table["predicted"] for table in (one, other.loc[one.index]))
    difference = one_correct.astype(int) - other_correct.astype(int)
    differences = difference.groupby(one["group"]).sum() if "group" in one else difference
    return {
        "images": len(one),
        **({"groups": len(differences)} if "group" in one else {}),
        "only_first_correct": int((difference > 0).sum()),
        "only_second_correct": int((difference < 0).sum()),
        "p_value": flip_test(differences.to_numpy()),
    }


def flip_test(differences: NDArray[np.integer]) -> float:
    """Tests whether two approaches differ, with groups of images as the units: an exact paired randomisation test.

    If both were equally good, each group's difference would be as likely the other way round (Fisher 1935, *The Design
    of Experiments*). The distribution of the sum over all such flips is computed exactly, group by group of equal
    differences. With one image a group, this is McNemar's exact test.

    Args:
        differences: For each group how many images only the first approach classifies correctly, minus how many only
            the second does.

    Returns:
        The two-sided p-value: the probability of a sum at least as far from zero.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances = np.ones(1)  # of the sums from -s to s, in steps of one
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        flipped = np.zeros(2 * size * count + 1)
        flipped[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, flipped)
    sums = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return float(min(chances[sums >= abs(differences.sum())].sum(), 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of several tests by Holm's step-down method (Holm 1979).

    Where each test with an adjusted p-value below a level is called significant, the probability of one or more false
    findings among all of them is at most that level, however the tests depend on each other.

    Args:
        p_values: One for each test, 0..1.

    Returns:
        The adjusted p-values in the same order, 0..1.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def mcnemar_pairs(*predictions: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Runs McNemar's test on every pair of approaches with the same test images, corrected for the number of pairs.

    Args:
        *predictions: For each set of test images the predictions tables of the approaches that were tested on it.

    Returns:
        For each pair `first` and `second` (names), what `mcnemar` returns, `p_value_adjusted` (see `holm`) and
        `significant` (adjusted p-value below 0.05).
    """
    pairs = [
        {"first": first, "second": second, **mcnemar(tables[first], tables[second])}
        for tables in predictions
        for first, second in combinations(tables, 2)
    ]
    adjusted = holm([pair["p_value"] for pair in pairs])
    return [
        {**pair, "p_value_adjusted": p_value, "significant": p_value < SIGNIFICANCE_LEVEL}
        for pair, p_value in zip(pairs, adjusted, strict=True)
    ]
