"""What DVC's commands show of an experiment: a few numbers for its tables, and the points of its plots."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.curves import roc_curves
from dogs_vs_cats.evaluation.metrics import HELD_OUT_METRICS, LISTED, MATRIX_CLASSES, confused_pairs
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting.results import ApproachResult

Points = list[dict[str, Any]]

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
    columns = ["seed", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    curves = [
        {"approach": result.name, **{str(name): None if pd.isna(value) else value for name, value in point.items()}}
        for result in results
        for point in result.history[columns].to_dict("records")
    ]
    tested = {result.name: result.predictions.query("split == 'test'") for result in results}
    confusion = [
        {"approach": name, "actual": class_names[label], "predicted": class_names[predicted]}
        for name, rows in tested.items()
        for label, predicted in _confusions(rows, class_names)
    ]
    roc = [
        {
            "approach": name,
            "class": class_names[curve.label],
            "false_positive_rate": false_positive_rate,
            "true_positive_rate": true_positive_rate,
        }
        for name, rows in tested.items()
        for curve in roc_curves(rows, class_names)
        for false_positive_rate, true_positive_rate in zip(
            curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist(), strict=True
        )
    ]
    return curves, confusion, roc


def _confusions(rows: pd.DataFrame, class_names: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Returns the true and the predicted class of every image; of many classes, of those in the most confused pairs."""
    if len(class_names) > MATRIX_CLASSES:
        pairs = confused_pairs(rows).head(LISTED)
        rows = pairs.loc[pairs.index.repeat(pairs["images"].tolist())]
    return zip(rows["label"], rows["predicted"], strict=True)
