"""The results that DVC's commands show: a few numbers for its tables, and the points of its plots."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.curves import roc_curves
from dogs_vs_cats.evaluation.metrics import HELD_OUT_METRICS, LISTED, MATRIX_CLASSES, confused_pairs
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting.results import ApproachResult

Points = list[dict[Hashable, Any]]

HEADLINES = ("train_accuracy", *HELD_OUT_METRICS)
"""The numbers that fit into the columns of a table."""


def headline_metrics(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Returns the `HEADLINES` of each approach, as in the summary of the comparison."""
    rows = summary["approaches"].items()
    return {approach: {name: row[name] for name in HEADLINES} for approach, row in rows if approach != BASELINE}


def plot_data(class_names: list[str], *results: ApproachResult) -> tuple[Points, Points, Points]:
    """Collects the points of all approaches, each with the name of its approach.

    Args:
        class_names: The classes, in the order of their labels.
        *results: The approaches.

    Returns:
        Learning curves: `approach`, `seed`, `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy` (None without
        validation images). Test images: `approach`, `actual`, `predicted`. ROC curves of the test images: `approach`,
        `class`, `false_positive_rate`, `true_positive_rate`. Of many classes only the most confused and the worst are
        there, as in the figures.
    """
    curves: Points = []
    confusions: Points = []
    roc: Points = []
    for result in results:
        approach: dict[Hashable, Any] = {"approach": result.name}
        history = result.history[["seed", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]].astype(object)
        curves += [{**approach, **point} for point in history.where(history.notna(), None).to_dict("records")]
        tested = result.predictions[result.predictions["split"] == "test"]
        confusions += [
            {**approach, "actual": actual, "predicted": predicted}
            for actual, predicted in _confusions(tested, class_names).itertuples(index=False)
        ]
        for name, rates in roc_curves(tested, class_names).items():
            roc += [{**approach, "class": name, **point} for point in rates.to_dict("records")]
    return curves, confusions, roc


def _confusions(rows: pd.DataFrame, class_names: list[str]) -> pd.DataFrame:
    """Returns the true and the predicted class of every image; of many classes, of those in the most confused pairs."""
    if len(class_names) <= MATRIX_CLASSES:
        return rows[["label", "predicted"]].map(class_names.__getitem__)
    pairs = confused_pairs(rows, class_names).head(LISTED)
    return pairs.loc[pairs.index.repeat(pairs["images"]), ["true", "predicted"]]
