"""Measures of photos, and photos that are worthless or unlike the others by one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.out_of_distribution import fit
from dogs_vs_cats.images.decoding.resizing import to_channels

UNLIKE = "unlike the others"
"""The kind of photos whose features are far from those of all others."""

UNUSUAL = 3.5
"""Modified z-score of unusual values (Iglewicz and Hoaglin 1993, *How to Detect and Handle Outliers*)."""

MOST_ROWS = 5_000
"""So many photos at most describe where the others lie."""

_PARTS = 5
_TO_STANDARD_DEVIATION = 0.6745


class Measures(NamedTuple):
    """Measures of one photo.

    Attributes:
        brightness: Mean grey value, 0..255.
        contrast: Standard deviation of the grey values.
        sharpness: Standard deviation of the Laplacian (Pech-Pacheco et al. 2000, *Diatom autofocusing in brightfield
            microscopy*), divided by the contrast, so that a faint photo isn't taken for a blurred one.
    """

    brightness: float
    contrast: float
    sharpness: float


def measure(pixels: NDArray[np.uint8]) -> Measures:
    """Measures the pixels of one photo, uint8 (height, width, 1 or 3)."""
    grey = to_channels(pixels, 1)[..., 0].astype(np.float32)
    contrast = float(grey.std())
    edges = float(cv2.Laplacian(grey, cv2.CV_32F).std())
    return Measures(float(grey.mean()), contrast, edges / max(contrast, 1))


@dataclass(frozen=True)
class Rule:
    """A kind of junk: beyond a limit, and unusual among the photos at hand.

    The second condition lets a source be dark as a whole, as handwritten digits are.

    Attributes:
        column: The measure.
        limit: The value that a photo must be beyond.
        is_low: Whether small values are meant.
        always: Whether the limit alone decides.
    """

    column: str
    limit: float
    is_low: bool = True
    always: bool = False

    def broken_by(self, photos: pd.DataFrame) -> "pd.Series[bool]":
        """Which photos are such junk."""
        values = photos[self.column]
        beyond = values < self.limit if self.is_low else values > self.limit
        score = unusualness(np.log(np.maximum(values.to_numpy(), 1e-6)))
        return beyond & (self.always | ((-score if self.is_low else score) > UNUSUAL))


RULES: Mapping[str, Rule] = {
    "blank": Rule("contrast", 4, always=True),
    "dark": Rule("brightness", 25),
    "overexposed": Rule("brightness", 235, is_low=False),
    "blurred": Rule("sharpness", 0.05),
    "tiny": Rule("short_side", 64),
    "extreme shape": Rule("elongation", 3, is_low=False),
}
"""Kinds of junk, each photo being of the first that fits. The limits are set by eye on blurred, darkened and cropped
photos of Kaggle; `docs/data_quality.md` shows what they find."""


def unusualness(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns modified z-scores: distances from the median, in robust standard deviations.

    Args:
        values: Shape (n,).

    Returns:
        Shape (n,); positive above the median. Where more than half of the values are equal, the standard deviation
        takes the place of the robust one.
    """
    away = values - np.median(values)
    spread = np.median(np.abs(away)) / _TO_STANDARD_DEVIATION or away.std() or 1.0
    scores: NDArray[np.float64] = away / spread
    return scores


def distances(features: NDArray[np.float32], labels: NDArray[np.integer], seed: int) -> NDArray[np.float64]:
    """Out-of-distribution distance of each photo from the others.

    A photo that has a part in the description of the others would seem nearer than it is. Instead of leaving out each
    photo by itself, a fifth of the photos is left out at once, five times.

    Args:
        features: Averaged features, shape (n, features), of at least 10 photos.
        labels: Their classes, shape (n,).
        seed: Draws the parts.

    Returns:
        Shape (n,); see `out_of_distribution.Distribution.distances`.
    """
    shuffled = np.random.default_rng(seed).permutation(len(features))
    found = np.empty(len(features))
    for part in range(_PARTS):
        left_out = shuffled[part::_PARTS]
        others = np.sort(np.delete(shuffled, np.s_[part::_PARTS])[:MOST_ROWS])
        found[left_out] = fit(features[others], labels[others], features[:0]).distances(features[left_out])
    return found


def find_junk(photos: pd.DataFrame) -> pd.DataFrame:
    """Finds photos that are probably of no use.

    Args:
        photos: The columns that `RULES` name, and `distance`.

    Returns:
        `kind` and `value` by the photos' index, in the order of the rules and each by its value. The last kind is
        `unlike the others`: an unusually large distance, the largest first. These may be the photos that matter most,
        or of something else altogether.
    """
    found, free = [], pd.Series(True, photos.index)
    for kind, rule in RULES.items():
        rows = photos.loc[free & rule.broken_by(photos), rule.column].sort_values(ascending=rule.is_low)
        found.append(pd.DataFrame({"kind": kind, "value": rows}))
        free[rows.index] = False
    unlike = free & (unusualness(np.log(photos["distance"].to_numpy())) > UNUSUAL)
    rows = photos.loc[unlike, "distance"].sort_values(ascending=False)
    return pd.concat([*found, pd.DataFrame({"kind": UNLIKE, "value": rows})])
