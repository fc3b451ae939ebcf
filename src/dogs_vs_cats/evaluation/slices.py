"""Accuracy in parts of the photos: by class, light, sharpness, size and shape."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation.significance import SIGNIFICANCE_LEVEL, holm, wilson
from dogs_vs_cats.images.splits import TEST

LEAST = 10
"""Slices of fewer photos, or without as many others, are left out."""

SIZES = {"brightness": "brightness", "sharpness": "sharpness", "short_side": "shorter side"}
"""Measures that are divided into quarters, by the names of their columns."""

SQUARE = 1.1
"""Up to this ratio of the sides a photo counts as square."""

_QUARTERS = 4


def slices_of(photos: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Says which slices each photo belongs to.

    Args:
        photos: Columns `label`, `width`, `height` and those of `SIZES`.
        class_names: The classes, in the order of their labels.

    Returns:
        A categorical column for each subject, by the photos' index; a quarter is named by its range. Subjects in which
        all photos are alike are left out.
    """
    ratio = photos["width"] / photos["height"]
    shapes = np.select([ratio > SQUARE, ratio < 1 / SQUARE], ["landscape", "portrait"], "square")
    found = {
        "class": pd.Series(np.array(class_names, object)[photos["label"]], photos.index),
        **{subject: _quarters(photos[column]) for column, subject in SIZES.items()},
        "shape": pd.Series(shapes, photos.index),
    }
    return pd.DataFrame({subject: column for subject, column in found.items() if column.nunique() > 1})


def _quarters(values: "pd.Series[float]") -> "pd.Series[Any]":
    parts = pd.qcut(values, _QUARTERS, duplicates="drop")
    names = [f"{part.left:.3g} to {part.right:.3g}" for part in parts.cat.categories]
    return parts.cat.rename_categories(names)


def compare(slices: pd.DataFrame, predictions: Mapping[str, "pd.Series[bool]"]) -> pd.DataFrame:
    """Compares the accuracy in each slice with that of all other photos.

    The test is Fisher's exact one (Fisher 1935), one-sided: is the slice worse? The p-values are adjusted for all
    slices of all approaches together (Holm 1979).

    Args:
        slices: See `slices_of`.
        predictions: For each approach whether each tested photo was classified correctly, by the photos' index.

    Returns:
        A row for each slice of each approach: `approach`, `subject`, `slice`, `images`, `accuracy`, `low` and `high`
        (95 % interval, Wilson), `p_value`, `p_value_adjusted` and `worse`.
    """
    table = pd.DataFrame([row for name, right in predictions.items() for row in _rows(name, right, slices)])
    if table.empty:
        return table
    low, high = wilson(table["accuracy"].to_numpy(), table["images"].to_numpy())
    adjusted = np.array(holm(table["p_value"].tolist()))
    return table.assign(low=low, high=high, p_value_adjusted=adjusted, worse=adjusted < SIGNIFICANCE_LEVEL)


def _rows(name: str, right: "pd.Series[bool]", slices: pd.DataFrame) -> Iterator[dict[str, object]]:
    from scipy.stats import fisher_exact

    for subject in slices.columns:
        for part, members in right.groupby(slices.loc[right.index, subject], observed=True):
            rest = right.drop(members.index)
            if min(len(members), len(rest)) < LEAST:
                continue
            counts = [[members.sum(), (~members).sum()], [rest.sum(), (~rest).sum()]]
            p_value = float(fisher_exact(counts, alternative="less").pvalue)
            of_slice = {"images": len(members), "accuracy": float(members.mean()), "p_value": p_value}
            yield {"approach": name, "subject": subject, "slice": part, **of_slice}


def right_answers(photos: pd.DataFrame, predictions: pd.DataFrame) -> "pd.Series[bool]":
    """Whether an approach classified each of its test photos correctly, by the photos' index.

    Args:
        photos: Column `path`.
        predictions: A predictions table.
    """
    tested = predictions[predictions["split"] == TEST].set_index("path")
    right = tested["label"] == tested["predicted"]
    places = photos.index[photos["path"].isin(right.index)]
    return pd.Series(right.reindex(photos.loc[places, "path"]).to_numpy(bool), places)
