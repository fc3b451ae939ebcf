"""Accuracy in parts of the photos: by class, light, sharpness, size and shape."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation.clusters import effective_fraction, groups_of
from dogs_vs_cats.evaluation.significance import SIGNIFICANCE_LEVEL, fraction_interval, holm
from dogs_vs_cats.images.splits import TEST

LEAST = 10
"""Slices of fewer photos, or without as many others, are left out."""

MEASURES = {"brightness": ("brightness", 0), "sharpness": ("sharpness", 2), "short_side": ("shorter side", 0)}
"""Measures that are divided into quarters: by the names of their columns the subject and the decimals to show."""

SQUARE = 1.1
"""Up to this ratio of the sides a photo counts as square."""

_QUARTERS = 4
_COLUMNS = ["approach", "subject", "slice", "images", "accuracy", "low", "high", "p_value"]


def slices_of(photos: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Says which slices each photo belongs to.

    Args:
        photos: Columns `label`, `width`, `height` and those of `MEASURES`.
        class_names: The classes, in the order of their labels.

    Returns:
        A categorical column for each subject, by the photos' index; a quarter is named by its range. Subjects in which
        all photos are alike are left out.
    """
    ratio = photos["width"] / photos["height"]
    shapes = np.select([ratio > SQUARE, ratio < 1 / SQUARE], ["landscape", "portrait"], "square")
    found = {
        "class": pd.Series(np.array(class_names, object)[photos["label"]], photos.index),
        **{subject: _quarters(photos[column], digits) for column, (subject, digits) in MEASURES.items()},
        "shape": pd.Series(shapes, photos.index),
    }
    return pd.DataFrame({subject: column for subject, column in found.items() if column.nunique() > 1})


def _quarters(values: "pd.Series[float]", digits: int) -> "pd.Series[Any]":
    """Divides photos by a measure; a part is named by its smallest and largest value."""
    parts = pd.qcut(values, _QUARTERS, labels=False, duplicates="drop")
    ends = values.groupby(parts).agg(["min", "max"])
    names = _names(ends, digits)
    return parts.map(dict(zip(ends.index, names, strict=True))).astype(pd.CategoricalDtype(names, ordered=True))


def _names(ends: pd.DataFrame, digits: int) -> list[str]:
    """Names ranges, with more digits than asked for if two of them would have the same name."""
    written = [[f"{end:,.{digits}f}" for end in pair] for pair in ends.itertuples(index=False)]
    names = [low if low == high else f"{low} to {high}" for low, high in written]
    return names if len(set(names)) == len(names) else _names(ends, digits + 1)


def compare(slices: pd.DataFrame, answers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compares the accuracy in each slice with that of all other photos.

    The test is Fisher's exact one (Fisher 1935), one-sided: is the slice worse? The p-values are adjusted for all
    slices of all approaches together (Holm 1979). Where photos come in groups, the interval and the test count
    effective photos, see `clusters`; the test rounds them.

    Args:
        slices: See `slices_of`.
        answers: For each approach its answers on tested photos, see `answers_of`.

    Returns:
        A row for each slice of each approach: `approach`, `subject`, `slice`, `images`, `accuracy`, `low` and `high`
        (95 % interval, Wilson), `p_value`, `p_value_adjusted` and `worse`.
    """
    rows = [row for name, given in answers.items() for row in _rows(name, given, slices)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    adjusted = np.array(holm(table["p_value"].tolist()))
    return table.assign(p_value_adjusted=adjusted, worse=adjusted < SIGNIFICANCE_LEVEL)


def _rows(name: str, answers: pd.DataFrame, slices: pd.DataFrame) -> Iterator[dict[str, object]]:
    from scipy.stats import fisher_exact

    for subject in slices.columns:
        for part, members in answers.groupby(slices.loc[answers.index, subject], observed=True):
            rest = answers.drop(members.index)
            if min(len(members), len(rest)) < LEAST:
                continue
            accuracy, counted = float(members["right"].mean()), _effective(members)
            low, high = fraction_interval(accuracy, counted)
            counts = [
                np.rint(images * np.array([of["right"].mean(), 1 - of["right"].mean()])).astype(int)
                for of, images in ((members, counted), (rest, _effective(rest)))
            ]
            p_value = float(fisher_exact(counts, alternative="less").pvalue)
            of_slice = {"images": len(members), "accuracy": accuracy, "low": low, "high": high, "p_value": p_value}
            yield {"approach": name, "subject": subject, "slice": part, **of_slice}


def _effective(answers: pd.DataFrame) -> float:
    return len(answers) * effective_fraction(answers["right"].to_numpy(), groups_of(answers))


def answers_of(photos: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Says whether an approach classified each of its test photos correctly.

    Args:
        photos: Column `path`.
        predictions: A predictions table.

    Returns:
        `right` by the photos' index; also `group`, where photos come in groups.
    """
    tested = predictions[predictions["split"] == TEST].set_index("path")
    tested["right"] = tested["label"] == tested["predicted"]
    photos = photos[photos["path"].isin(tested.index)]
    columns = tested.columns.intersection(["right", "group"])
    return tested.loc[photos["path"], columns].set_index(photos.index)
